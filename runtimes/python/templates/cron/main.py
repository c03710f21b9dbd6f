"""Runs on a schedule: hob.toml says when. `hob runs list` shows each run, `hob logs` what it printed."""

from datetime import datetime, timezone


def main(what="tidied up", **_):
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    print(what, "at", now)
    return {"done": what, "at": now}
