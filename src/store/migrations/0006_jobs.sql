-- Why: functions on a schedule. `function` is no foreign key: a job outlives its function and says so.
-- `schedule` and `selector` are text that the domain reads; a schedule nobody can read is its job's failure.

create table job (
    id blob not null primary key check (length(id) = 16),
    namespace text not null,
    name text not null,
    function blob not null check (length(function) = 16),
    selector text not null,
    schedule text not null,
    first_at_ms integer,
    count integer check (count >= 0),
    state text not null check (state in ('active', 'paused', 'done', 'cancelled', 'failed')),
    reason text,
    missed text not null check (missed in ('skip', 'once')),
    overlap text not null check (overlap in ('allow', 'skip')),
    next_at_ms integer,
    last_at_ms integer,
    last_execution blob,
    failures integer not null default 0,
    created_at_ms integer not null,
    updated_at_ms integer not null,
    check (state <> 'active' or next_at_ms is not null)
) strict, without rowid;

-- Few columns and only what is waiting: asking for the next one reads one entry.
create index job_due on job (next_at_ms, id) where state = 'active';
create index job_by_function on job (function, id);

-- What it calls with: apart, so that a fire, which rewrites the job's row, does not rewrite a large body.
create table job_input (
    job blob not null primary key references job (id) on delete cascade,
    method text not null,
    path text not null,
    query text not null,
    headers text not null,
    body blob not null
) strict, without rowid;
