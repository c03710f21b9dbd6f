-- Why: how often a function was called stays known when the records of old calls are removed.

-- `selector` is what the calls asked for, `current` for what served.
create table removed_calls (
    function blob not null references function (id) on delete cascade,
    selector text not null,
    count integer not null,
    primary key (function, selector)
) strict, without rowid;
