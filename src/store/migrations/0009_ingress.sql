-- Why: what leads to functions beside their names (ports, gateways), who may pass (gates, keys that sign), and secrets.
-- Sealed columns are encrypted with the key file of the data directory; nothing in this file opens them.

-- Names with sealed values, and what the namespace gave when the revision was deployed.
alter table revision add column secrets text not null default '{}';
alter table revision add column inherited text not null default '{}';

create table namespace (
    name text not null primary key,
    variables text not null,
    updated_at_ms integer not null
) strict, without rowid;

create table function_port (
    function blob not null primary key references function (id) on delete cascade,
    port integer not null unique check (port between 1 and 65535)
) strict, without rowid;

-- A function is named, not referred to: a gateway may be there before what it leads to. No lock: open to everybody.
create table gateway (
    namespace text not null,
    name text not null,
    path text not null,
    upstreams text not null,
    lock blob,
    headers text not null,
    description text not null,
    labels text not null,
    annotations text not null,
    created_at_ms integer not null,
    updated_at_ms integer not null,
    primary key (namespace, name)
) strict, without rowid;

-- `path` again, so that no two gateways have the same address.
create table gateway_host (
    host text not null,
    path text not null,
    namespace text not null,
    name text not null,
    position integer not null,
    primary key (host, path),
    foreign key (namespace, name) references gateway (namespace, name) on delete cascade
) strict, without rowid;

create index gateway_host_by_gateway on gateway_host (namespace, name);

create table gate (
    function blob not null primary key references function (id) on delete cascade,
    rule text not null
) strict, without rowid;

create table signing_key (
    namespace text not null primary key,
    public text not null,
    sealed blob not null,
    created_at_ms integer not null
) strict, without rowid;
