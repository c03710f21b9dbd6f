"""Very many functions on one machine: what they cost while nobody calls, and how long a list, a start and calls take.

A short look, not a test: it prints a table for tests/bench/BENCHMARKS.md.
"""

import statistics
import sys
import time

from daemon import Daemon

CODE = "def main(**_):\n    return {n}\n"
IDLE_S = 30


def took(work):
    begun = time.monotonic()
    work()
    return (time.monotonic() - begun) * 1000


def median_ms(work, rounds=5):
    return statistics.median(took(work) for _ in range(rounds))


def found(daemon, path):
    status, _ = daemon.ask("GET", path)
    if status != 200:
        raise SystemExit(f"GET {path}: {status}")


def idle(daemon):
    """The share of one processor that it takes while nothing happens."""
    before = daemon.processor_seconds()
    time.sleep(IDLE_S)
    return (daemon.processor_seconds() - before) / IDLE_S * 100


def first_calls(daemon, names):
    def call(name):
        status, body = daemon.ask("POST", f"/function/{name}", "{}")
        if status != 200:
            raise SystemExit(f"{name}: {status} {body!r}")

    return [took(lambda name=name: call(name)) for name in names]


def restart(daemon):
    """Stops the daemon and starts it on what it kept. Unit: ms until `ready`."""
    import os
    import subprocess

    daemon.ask("POST", "/hob/v1/stop")
    daemon.process.wait(120)
    environment = dict(os.environ, HOB_LISTEN="127.0.0.1:0", HOB_DATA_DIR=str(daemon.home / "data"), **daemon.settings)
    begun = time.monotonic()
    daemon.process = subprocess.Popen(
        [os.environ["HOB_BIN"], "serve"], env=environment, stdout=subprocess.PIPE, stderr=daemon.log
    )
    daemon.address = daemon.process.stdout.readline().decode().split("http://")[1].strip()
    return (time.monotonic() - begun) * 1000


def main():
    many = int(sys.argv[1])
    rows = []
    with Daemon(HOB_BUILD_FUNCTION_IMAGES="false", HOB_POOL_IDLE_SECONDS="2") as daemon:
        rows.append(("memory (RSS) without functions", f"{daemon.memory_mb():.1f} MB"))
        begun = time.monotonic()
        for n in range(many):
            status, body = daemon.deploy(f"f-{n}", CODE.format(n=n))
            if status != 200:
                raise SystemExit(f"f-{n}: {status} {body!r}")
        rows.append((f"deploying {many}, one after the other", f"{(time.monotonic() - begun) / many * 1000:.0f} ms each"))
        while daemon.containers() > 4:
            time.sleep(1)
        rows.append((f"memory with {many}, nobody calls", f"{daemon.memory_mb():.1f} MB"))
        rows.append(("processor while nobody calls", f"{idle(daemon):.2f} % of one core"))
        rows.append(("containers while nobody calls", f"{daemon.containers()}"))
        rows.append(("the list of all of them", f"{median_ms(lambda: daemon.json('GET', '/hob/v1/functions')):.0f} ms"))
        rows.append(("one of them", f"{median_ms(lambda: daemon.json('GET', f'/hob/v1/functions/f-{many // 2}')):.1f} ms"))
        rows.append(("`/metrics`", f"{median_ms(lambda: found(daemon, '/metrics')):.1f} ms"))
        spread = [f"f-{n}" for n in range(0, many, max(1, many // 20))]
        rows.append(("first call of 20 of them, median", f"{statistics.median(first_calls(daemon, spread)):.0f} ms"))
        rows.append(("a restart, until `ready`", f"{restart(daemon):.0f} ms"))
        rows.append(("memory after it", f"{daemon.memory_mb():.1f} MB"))
    print(f"| {many} functions | |\n|---|---|")
    for what, value in rows:
        print(f"| {what} | {value} |")


if __name__ == "__main__":
    main()
