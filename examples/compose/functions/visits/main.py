"""Counts its calls in the database beside it."""

import os
from contextlib import closing

from pg8000.native import Connection

TABLE = "create table if not exists visits (at timestamptz not null default now())"


def connect():
    return Connection(
        host=os.environ["DB_HOST"],
        database=os.environ["DB_NAME"],
        user=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"],
    )


def main(**_):
    with closing(connect()) as db:
        db.run(TABLE)
        db.run("insert into visits default values")
        [[visits]] = db.run("select count(*) from visits")
    return {"visits": visits}
