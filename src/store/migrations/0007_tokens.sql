-- Why: access tokens. Only the sha256 of a token is kept: whoever reads this file cannot use what it finds.

create table token (
    id blob not null primary key check (length(id) = 16),
    name text not null unique,
    namespace text not null,
    role text not null check (role in ('admin', 'user', 'invoke')),
    hash blob not null unique check (length(hash) = 32),
    created_at_ms integer not null
) strict, without rowid;
