-- Why: the first shape of the file: functions, revisions, executions, and the dialects' own text.
-- Times are UTC milliseconds. Identities are sixteen bytes; later ones sort later.

create table instance (
    only integer primary key check (only = 1),
    id blob not null check (length(id) = 16)
) strict;

-- `last_number` counts every revision there ever was, so that a number is never given twice.
create table function (
    id blob not null primary key check (length(id) = 16),
    namespace text not null,
    name text not null,
    current blob references revision (id) on delete set null,
    last_number integer not null default 0,
    created_at_ms integer not null,
    updated_at_ms integer not null,
    unique (namespace, name)
) strict, without rowid;

create index function_by_current on function (current);

create table revision (
    id blob not null primary key check (length(id) = 16),
    function blob not null references function (id) on delete cascade,
    number integer not null check (number > 0),
    family text not null,
    version text not null,
    entry text not null,
    convention text not null,
    code text not null,
    env text not null,
    memory_mib integer not null,
    timeout_ms integer not null,
    concurrency integer not null,
    min_workers integer not null,
    max_workers integer not null,
    network text not null check (network in ('outbound', 'none')),
    state text not null check (state in ('pending', 'ready', 'failed')),
    failure text,
    created_at_ms integer not null,
    unique (function, number)
) strict;

create index revision_pending on revision (id) where state = 'pending';

-- What building a revision left: apart, so that lists of revisions do not carry logs.
create table build (
    revision blob not null primary key references revision (id) on delete cascade,
    image text,
    log text not null
) strict;

-- `revision` is what served, as a fact of the past: no foreign key, so that it outlives the revision
-- and costs no third index on the busiest table.
create table execution (
    id blob not null primary key check (length(id) = 16),
    function blob not null references function (id) on delete cascade,
    revision blob,
    state text not null
        check (state in ('queued', 'running', 'succeeded', 'failed', 'error', 'cancelled')),
    asynchronous integer not null check (asynchronous in (0, 1)),
    created_at_ms integer not null,
    started_at_ms integer,
    ended_at_ms integer,
    status integer,
    failure text,
    message text,
    temperature text,
    queue_us integer not null default 0,
    load_us integer not null default 0,
    run_us integer not null default 0,
    total_us integer not null default 0
) strict, without rowid;

create index execution_by_function on execution (function, id);

-- Few rows at any time, and a folded record never touches it.
create index execution_open on execution (state, id) where state in ('queued', 'running');

create table execution_input (
    execution blob not null primary key references execution (id) on delete cascade,
    method text not null,
    path text not null,
    query text not null,
    headers text not null,
    body blob not null
) strict, without rowid;

create table execution_log (
    execution blob not null primary key references execution (id) on delete cascade,
    log blob not null
) strict, without rowid;

create table execution_result (
    execution blob not null primary key references execution (id) on delete cascade,
    result blob not null
) strict, without rowid;

create table annotation (
    kind text not null check (kind in ('function', 'revision', 'execution')),
    id blob not null check (length(id) = 16),
    dialect text not null,
    text text not null,
    primary key (kind, id, dialect)
) strict, without rowid;

create trigger function_takes_its_annotations after delete on function begin
    delete from annotation where kind = 'function' and id = old.id;
end;

create trigger revision_takes_its_annotations after delete on revision begin
    delete from annotation where kind = 'revision' and id = old.id;
end;

create trigger execution_takes_its_annotations after delete on execution begin
    delete from annotation where kind = 'execution' and id = old.id;
end;

create table document (
    dialect text not null,
    kind text not null,
    key text not null,
    text text not null,
    primary key (dialect, kind, key)
) strict, without rowid;
