"""The acceptance checklist of the Qinling contract against a running daemon, each item a test of its own.

HOB_URL names the daemon, HOB_ADMIN_TOKEN, HOB_USER_TOKEN and HOB_OTHER_TOKEN the callers, of a project each, and
HOB_BASE_IMAGE an image with python3. The scenarios run once, side by side; the tests say what they came to.
"""

import concurrent.futures
import sys
import unittest

import scenarios
from bench import Bench
from items import ITEMS

# More of them would only wait for the same two processors.
SIDE_BY_SIDE = 4


def walk():
    """Runs every scenario; those that measure have the machine to themselves while the jobs wait for their time."""
    bench = Bench()
    run(scenarios.everything, bench)
    when_jobs_fired = run(scenarios.jobs_that_fire, bench)
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        list(threads.map(lambda scenario: run(scenario, bench), scenarios.TOGETHER))
    for scenario in scenarios.ALONE:
        run(scenario, bench)
    if when_jobs_fired:
        run(lambda _: when_jobs_fired(), bench)
    return bench.seen


def run(scenario, bench):
    """A scenario that breaks off says why; which items it met is in the record."""
    try:
        return scenario(bench)
    except Exception as error:
        print(f"{getattr(scenario, '__name__', scenario)}: {error!r}", file=sys.stderr)
        return None


class Checklist(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.seen = walk()

    def test_no_item_is_missing(self):
        self.assertEqual(list(ITEMS), list(range(1, 79)))
        self.assertLessEqual(set(self.seen), set(ITEMS))


def item_test(number):
    def test(self):
        self.assertIn(number, self.seen, "never checked: its scenario broke off before")
        if self.seen[number] is not None:
            raise self.seen[number]

    test.__doc__ = f"{number}: {ITEMS[number]}"
    return test


for number in ITEMS:
    setattr(Checklist, f"test_item_{number:02}", item_test(number))

if __name__ == "__main__":
    unittest.main(verbosity=2)
