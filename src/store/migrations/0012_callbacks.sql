-- Why: who made an asynchronous call may want to be told how it ended, even when the daemon, or the receiver, is away then.

-- One row for each call whose end is told. It moves on to the next try of a call that is made again. `headers` are those of
-- the answer, from its end until it was told; a URL that will not be asked again is kept without its secrets.
create table callback (
    execution blob not null primary key references execution (id) on delete cascade,
    url text not null,
    state text not null default 'waiting' check (state in ('waiting', 'due', 'delivered', 'failed')),
    tries integer not null default 0 check (tries >= 0),
    due_at_ms integer,
    headers text,
    message text,
    check ((state = 'due') = (due_at_ms is not null))
) strict, without rowid;

create index callback_due on callback (due_at_ms) where state = 'due';
