"""The report of the checked-in log, against a count made another way, and of odd lines."""

import json
import unittest
from collections import Counter
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import generate
from main import main

LOG = (Path(__file__).parent / "access.log").read_text(encoding="utf-8")
GOOD = '192.0.2.1 - - [20/Nov/2025:10:00:00 +0000] "GET /a?b=1 HTTP/1.1" 200 5 "-" "x" 0.250'


def report(log, **options):
    with redirect_stdout(StringIO()):
        return main(log=log, **options)


def by_quotes():
    """The good lines of the log, taken apart at the quotes instead of by the pattern."""
    for line in LOG.splitlines():
        parts = line.replace('\\"', "'").split('"')
        if len(parts) == 7 and parts[0].count("[") == parts[0].count("] ") == 1:
            status, size = parts[2].split()
            yield parts[0], parts[1].split(" "), int(status), int(size), float(parts[6])


class SampleLog(unittest.TestCase):
    def test_the_log_is_what_the_generator_prints(self):
        self.assertEqual(LOG, generate.main())

    def test_every_line_is_either_a_request_or_broken(self):
        answer = report(LOG)
        self.assertEqual(answer["requests"], len(list(by_quotes())))
        self.assertEqual(answer["requests"] + answer["broken_lines"], len(LOG.splitlines()))
        self.assertEqual(answer["broken_lines"], 6)

    def test_the_sums_agree_with_an_independent_count(self):
        lines = list(by_quotes())
        answer = report(LOG)
        self.assertEqual(answer["bytes"], sum(size for *_, size, _ in lines))
        self.assertEqual(answer["clients"], len({head.split()[0] for head, *_ in lines}))
        self.assertEqual(answer["statuses"], Counter(f"{line[2]}"[0] + "xx" for line in lines))
        self.assertEqual(answer["hours"], Counter(head[-16:-14] for head, *_ in lines))

    def test_the_busiest_paths_agree_with_an_independent_count(self):
        requests = [request for _, request, *_ in by_quotes() if len(request) == 3]
        paths = Counter(request[1].split("?")[0] for request in requests)
        for row in report(LOG, top=20)["paths"]:
            self.assertEqual(row["requests"], paths[row["path"]])
        self.assertEqual(report(LOG)["paths"][0]["requests"], max(paths.values()))

    def test_the_slowest_requests_come_first(self):
        seconds = sorted((line[4] for line in by_quotes()), reverse=True)[:7]
        answer = [row["ms"] for row in report(LOG, top=7)["slowest"]]
        self.assertEqual(answer, [round(1000 * value) for value in seconds])

    def test_the_report_is_json(self):
        answer = report(LOG)
        self.assertEqual(json.loads(json.dumps(answer)), answer)


class Lines(unittest.TestCase):
    def test_an_empty_log_has_an_empty_report(self):
        answer = report("\n\n")
        self.assertEqual((answer["requests"], answer["broken_lines"]), (0, 0))
        self.assertEqual(answer["slowest"], [])

    def test_the_query_is_not_part_of_the_path(self):
        self.assertEqual(report(GOOD)["slowest"][0]["path"], "/a")

    def test_a_line_without_a_time_counts_but_is_not_ranked(self):
        answer = report(GOOD.removesuffix(" 0.250"))
        self.assertEqual((answer["requests"], answer["slowest"]), (1, []))

    def test_a_request_that_is_not_http_has_no_path(self):
        answer = report(GOOD.replace("GET /a?b=1 HTTP/1.1", r"\x16\x03\x01"))
        self.assertEqual(answer["paths"], [{"path": "-", "requests": 1, "failed": 0}])

    def test_an_escaped_quote_does_not_end_a_field(self):
        self.assertEqual(report(GOOD.replace('"x"', r'"a \"b\" c"'))["requests"], 1)

    def test_cut_lines_are_counted_as_broken(self):
        cut = "\n".join(GOOD[:length] for length in (5, 30, 60, 75))
        self.assertEqual(report(cut)["broken_lines"], 4)

    def test_absurd_numbers_are_broken_lines(self):
        absurd = [GOOD.replace(" 5 ", f" {'9' * 5000} "), GOOD.replace("0.250", "9" * 400 + ".0")]
        self.assertEqual(report("\n".join(absurd))["broken_lines"], 2)

    def test_a_hostile_line_does_not_take_long(self):
        self.assertEqual(report('1 - - [t] "' + '\\"' * 50_000)["broken_lines"], 1)


if __name__ == "__main__":
    unittest.main()
