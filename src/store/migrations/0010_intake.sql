-- Why: a revision may say which calls it takes: how long they wait for a busy worker, how large their bodies are, and that
-- it takes none. Null is the daemon's own limit.

alter table revision add column wait_ms integer;
alter table revision add column body_bytes integer;
alter table revision add column closed integer not null default 0;
