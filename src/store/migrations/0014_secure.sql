-- Why: a revision may say that its callers have to come by TLS.

alter table revision add column secure_only integer not null default 0;
