-- Why: asynchronous calls may be made again when they fail, and may be sent twice without being made twice.

-- One row for each call that is, or is followed by, another try. `left` more may follow it; `due_at_ms` is when it may
-- run; `dead` says that it failed and nothing followed.
create table retry (
    execution blob not null primary key references execution (id) on delete cascade,
    first blob not null check (length(first) = 16),
    attempt integer not null check (attempt > 0),
    left integer not null check (left >= 0),
    backoff_ms integer not null check (backoff_ms >= 0),
    due_at_ms integer not null,
    dead integer not null default 0 check (dead in (0, 1))
) strict, without rowid;

create index retry_dead on retry (execution) where dead = 1;

-- What a caller named its call, so that the same call sent again is the same execution.
create table idempotency (
    function blob not null references function (id) on delete cascade,
    key text not null,
    execution blob not null references execution (id) on delete cascade,
    primary key (function, key)
) strict, without rowid;

create index idempotency_by_execution on idempotency (execution);
