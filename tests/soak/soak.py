"""The soak: deploys, calls, jobs and failures mixed, for as long as asked, while the daemon is looked at every few seconds.

What must not grow is compared between the middle third and the last third: the first is for warming up, and for the
first round of retention.
"""

import json
import pathlib
import random
import sys
import threading
import time

from daemon import Daemon
from plot import draw

PLOT = pathlib.Path(__file__).parent.parent / "bench" / "soak.svg"
MIXED = """
import os, time
EDITION = {edition}
def main(do='', **_):
    print('called', do)
    if do == 'raise':
        raise ValueError('as asked')
    if do == 'exit':
        os._exit(3)
    if do == 'slow':
        time.sleep(30)
    if do == 'large':
        return 'x' * 200_000
    return EDITION
"""
# What is asked, how often among a hundred calls, and what it is answered with.
CALLS = [("", 84, 200), ("large", 8, 200), ("raise", 5, 500), ("exit", 2, 502), ("slow", 1, 504)]
CALLS_PER_SECOND = 8
ASYNC_EVERY_S = 1.0
REDEPLOY_EVERY_S = 20.0
COME_AND_GO_EVERY_S = 30.0
SAMPLE_EVERY_S = 5.0
# What each may grow from the middle third to the last; thrice that in a run that is too short to be warm by then.
SHORT = 10
BOUNDS = {"memory, MB": 6.0, "descriptors": 25.0, "containers": 3.0, "database, MB": 20.0}


class Soak:
    def __init__(self, daemon):
        self.daemon = daemon
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.wrong, self.accepted, self.counts = [], [], {}

    def note(self, what, expected, answer):
        status, body = answer
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            if status not in expected:
                self.wrong.append(f"{what}: {status} {body[:200]!r}")

    def every(self, seconds, work):
        def loop():
            n = 0
            while not self.over.wait(seconds):
                n += 1
                work(n)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        return thread

    def call(self, _):
        do, _, status = random.choices(CALLS, [share for _, share, _ in CALLS])[0]
        body = json.dumps({"do": do})
        # A worker that was ended may cost the next call its place, which is said with 503 or 429.
        self.note(f"call {do or 'plain'}", {status, 429, 503}, self.daemon.ask("POST", "/function/mixed", body))

    def call_later(self, n):
        path = "/hob/v1/functions/mixed/invoke?async=true&retries=1&backoff_ms=200"
        answer = self.daemon.ask("POST", path, json.dumps({"do": "raise" if n % 5 == 0 else ""}))
        self.note("asynchronous call", {202}, answer)
        if answer[0] == 202:
            self.accepted.append(json.loads(answer[1])["id"])

    def redeploy(self, n):
        self.note("redeploy", {200}, self.daemon.deploy("mixed", MIXED.format(edition=n), {"timeout_ms": 4000}))

    def come_and_go(self, n):
        name = f"passing-{n}"
        self.note("deploy", {200}, self.daemon.deploy(name, MIXED.format(edition=n)))
        self.note("its call", {200, 503}, self.daemon.ask("POST", f"/function/{name}", "{}"))
        self.note("removal", {204}, self.daemon.ask("DELETE", f"/hob/v1/functions/{name}"))

    def lost(self):
        """Accepted calls of the last while that have not ended, once they have had time to."""
        deadline = time.monotonic() + 60
        left = self.accepted[-500:]
        while left and time.monotonic() < deadline:
            left = [one for one in left if self.is_open(one)]
            time.sleep(0.5)
        return left

    def is_open(self, execution):
        status, body = self.daemon.ask("GET", f"/hob/v1/executions/{execution}")
        return status == 200 and json.loads(body)["state"] in ("queued", "running")


def look(daemon, begun):
    return {
        "minute": (time.monotonic() - begun) / 60,
        "memory, MB": daemon.memory_mb(),
        "descriptors": daemon.descriptors(),
        "containers": daemon.containers(),
        "database, MB": daemon.database_mb(),
    }


def grown(samples):
    """How much more of each there was in the last third than in the middle one."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    mean = lambda part, name: sum(sample[name] for sample in part) / max(1, len(part))
    return {name: mean(last, name) - mean(middle, name) for name in BOUNDS}


def run(minutes):
    with Daemon(HOB_RECORDS_KEEP_COUNT="2000", HOB_FUNCTION_MAX_WORKERS="3", HOB_BUILD_FUNCTION_IMAGES="false") as daemon:
        soak = Soak(daemon)
        soak.redeploy(0)
        daemon.json("POST", "/hob/v1/jobs", {"function": "mixed", "every_ms": 5000})
        threads = [
            soak.every(1 / CALLS_PER_SECOND, soak.call),
            soak.every(ASYNC_EVERY_S, soak.call_later),
            soak.every(REDEPLOY_EVERY_S, soak.redeploy),
            soak.every(COME_AND_GO_EVERY_S, soak.come_and_go),
        ]
        samples, begun = [], time.monotonic()
        while time.monotonic() - begun < minutes * 60:
            samples.append(look(daemon, begun))
            time.sleep(SAMPLE_EVERY_S)
        soak.over.set()
        for thread in threads:
            thread.join(90)
        return samples, soak, soak.lost()


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30
    samples, soak, lost = run(minutes)
    slack = 1 if minutes >= SHORT else 3
    plot = PLOT if minutes >= SHORT else pathlib.Path("/dev/null")
    plot.write_text(draw(samples, list(BOUNDS), f"{minutes:g} minutes, {sum(soak.counts.values())} requests"))
    growth = grown(samples)
    for name in BOUNDS:
        values = [sample[name] for sample in samples]
        print(f"{name:14} from {values[0]:.1f} to {values[-1]:.1f}, at most {max(values):.1f}; grown by {growth[name]:+.1f}")
    print(", ".join(f"{n} x {what}" for what, n in sorted(soak.counts.items())))
    checks = {
        "answers as they should be": not soak.wrong,
        "accepted calls have ended": not lost,
        **{f"{name} does not grow": growth[name] <= bound * slack for name, bound in BOUNDS.items()},
    }
    for what in soak.wrong[:20] + [f"not ended: {one}" for one in lost[:5]]:
        print(f"  {what}")
    failed = [name for name, good in checks.items() if not good]
    for name in failed:
        print(f"FAILED: {name}")
    print(f"test result: {'FAILED' if failed else 'ok'}. {len(checks) - len(failed)} passed; {len(failed)} failed; after {minutes:g} minutes")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
