"""Reads a web server's access log and reports what went on in it.

The log is in the combined format of Apache and nginx; a request time in seconds may follow
at the end of each line. It does not keep anything: one log in, one report out.
"""

import re
from collections import Counter
from heapq import nlargest
from operator import itemgetter

QUOTED = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
TIME = r"\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"
LINE = re.compile(
    rf'(\S+) \S+ \S+ {TIME} {QUOTED} (\d{{3}}) (\d{{1,15}}|-) {QUOTED} {QUOTED}(?: (\d{{1,9}}\.\d+))?'
)


def main(log, top=5, **_):
    """Answers counts, status classes, the busiest paths and the slowest requests of `log`."""
    lines = [line for line in log.split("\n") if line.strip()]
    requests = [request for request in map(parse, lines) if request]
    broken = len(lines) - len(requests)
    print(f"read {len(lines)} lines, {broken} of them broken")
    return {
        "requests": len(requests),
        "broken_lines": broken,
        "bytes": sum(request["bytes"] for request in requests),
        "clients": len({request["client"] for request in requests}),
        "statuses": counts(f"{request['status'] // 100}xx" for request in requests),
        "hours": counts(request["time"].split(":")[1] for request in requests),
        "paths": busiest(requests, top),
        "slowest": slowest(requests, top),
    }


def parse(line):
    """One line as a dict, or None if it is not a line of an access log."""
    match = LINE.fullmatch(line.rstrip())
    if not match:
        return None
    client, time, request, status, size, _referer, _agent, seconds = match.groups()
    return {
        "client": client,
        "time": time,
        "path": path_of(request),
        "status": int(status),
        "bytes": 0 if size == "-" else int(size),
        "ms": None if seconds is None else round(float(seconds) * 1000),
    }


def path_of(request):
    """The path without its query; "-" for what was no HTTP request, such as a TLS greeting."""
    words = request.split(" ")
    return words[1].partition("?")[0] if len(words) == 3 else "-"


def counts(values):
    return dict(sorted(Counter(values).items()))


def busiest(requests, top):
    total = Counter(request["path"] for request in requests)
    failed = Counter(request["path"] for request in requests if request["status"] >= 500)
    ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))
    return [{"path": path, "requests": n, "failed": failed[path]} for path, n in ranked[:top]]


def slowest(requests, top):
    timed = (request for request in requests if request["ms"] is not None)
    return [
        {name: request[name] for name in ("path", "ms", "status", "time")}
        for request in nlargest(top, timed, key=itemgetter("ms"))
    ]
