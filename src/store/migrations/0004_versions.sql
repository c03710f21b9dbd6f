-- Why: published versions, aliases for them, webhooks; and executions that say what they were meant for.

-- `last_version` counts every version there ever was, so that a number is never given twice.
alter table function add column last_version integer not null default 0;

-- What a call asked for (null: what served), and what its caller wrote about it.
alter table execution add column selector text;
alter table execution add column description text;

-- `revision` holds its revision: one that is published cannot be removed by itself, only with its function.
create table version (
    function blob not null references function (id) on delete cascade,
    number integer not null check (number > 0),
    revision blob not null references revision (id),
    description text not null,
    created_at_ms integer not null,
    primary key (function, number)
) strict, without rowid;

create index version_by_revision on version (revision);

-- No version: the revision that serves. No percent: no canary. A version that is led to cannot be removed.
create table alias (
    namespace text not null,
    name text not null,
    function blob not null references function (id) on delete cascade,
    version integer,
    canary_version integer,
    canary_percent integer check (canary_percent between 1 and 99),
    description text not null,
    created_at_ms integer not null,
    updated_at_ms integer not null,
    primary key (namespace, name),
    foreign key (function, version) references version (function, number),
    foreign key (function, canary_version) references version (function, number),
    check (canary_percent is not null or canary_version is null)
) strict, without rowid;

create index alias_by_version on alias (function, version);
create index alias_by_canary on alias (function, canary_version);

create table webhook (
    id blob not null primary key check (length(id) = 16),
    function blob not null references function (id) on delete cascade,
    selector text not null,
    description text not null,
    scheme text check (scheme in ('github', 'stripe')),
    secret text check ((secret is null) = (scheme is null)),
    created_at_ms integer not null,
    updated_at_ms integer not null
) strict, without rowid;

create index webhook_by_function on webhook (function, selector);
