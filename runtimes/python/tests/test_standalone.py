"""An image that runs by itself: the shim without a daemon, called over HTTP. Never sleeps."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest

from worker import RUNTIME, install
from played import PATIENCE


class StandaloneTest(unittest.TestCase):
    PARTS = [os.path.join(RUNTIME, name) for name in ("shim.py", "hob_shim")]

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="hob-alone-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def start(self, source, name="main.py", **environment):
        """Serves this code on a port of the system's choice."""
        opt = os.path.join(self.directory, "opt")
        shim = install(self.PARTS, opt)
        os.mkdir(os.path.join(opt, "function"))
        with open(os.path.join(opt, "function", name), "w") as file:
            file.write(textwrap.dedent(source))
        self.process = subprocess.Popen([sys.executable, "-I", "-B", shim], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=dict(environment, PATH=os.environ["PATH"], PORT="0"))
        self.addCleanup(self.close)
        self.port = int(re.search(rb"serving on port (\d+)", self.process.stderr.readline()).group(1))

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=PATIENCE)

    def ended(self):
        """(exit code, standard output, standard error) after SIGTERM."""
        self.process.terminate()
        output, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output.decode(), errors.decode()

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def call(self, body=b"", method="POST", path="/", headers=(), connection=None):
        """(status, headers, body)"""
        connection = connection or self.connect()
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def fails(self, body=b"", **options):
        """(status, the error's object)"""
        status, headers, raw = self.call(body, **options)
        self.assertEqual(headers["Content-Type"], "application/json")
        return status, json.loads(raw)["error"]


class Calls(StandaloneTest):
    def test_a_connection_serves_many_calls_of_one_process(self):
        self.start("n = 0\ndef main(**kwargs):\n    global n\n    n += 1\n    return n")
        connection = self.connect()
        self.assertEqual([self.call(connection=connection)[2] for _ in range(3)], [b"1", b"2", b"3"])

    def test_the_convention_and_the_entry_are_chosen_by_the_environment(self):
        self.start("""
            def handle(event, context):
                return {"statusCode": 201, "headers": {"x-m": event["httpMethod"] + event["path"]},
                        "body": [event["queryStringParameters"], event["headers"].get("X-A"), event["body"]]}
            """, HOB_ENTRY="main.handle", HOB_CONVENTION="event-context")
        status, headers, body = self.call(b"text", "PATCH", "/a%20b?c=d", {"x-a": "1"})
        self.assertEqual((status, headers["x-m"], json.loads(body)), (201, "PATCH/a b", [{"c": "d"}, "1", "text"]))
        self.assertEqual(headers["Content-Length"], str(len(body)))

    def test_nothing_of_ours_is_in_the_environment_of_the_function(self):
        self.start("import os\ndef main(**kwargs): return [key for key in os.environ if key.startswith('HOB_')]",
                   HOB_ENTRY="main.main", HOB_CONVENTION="kwargs", HOB_TIMEOUT_MS="9000", HOB_CONCURRENCY="1")
        self.assertEqual(self.call()[2], b"[]")

    def test_large_bodies_and_chunks_travel_both_ways(self):
        self.start("def main(text, **kwargs): return text")
        body = json.dumps({"text": "x" * 300_000}).encode()
        connection = self.connect()
        self.assertEqual(len(self.call(body, connection=connection)[2]), 300_002)
        connection.request("POST", "/", iter([body[:100], body[100:]]), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})
        answer = connection.getresponse()
        self.assertEqual((answer.getheader("Transfer-Encoding"), len(answer.read())), ("chunked", 300_002))
        self.assertEqual(self.call(b'{"text": "y"}', connection=connection)[2], b'"y"')

    def test_a_stream_arrives_as_it_is_made(self):
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        self.start("def handler(context, event):\n    yield 'first'\n    open(event.body).read()\n    yield 'last'",
                   HOB_ENTRY="main:handler", HOB_CONVENTION="context-event")
        connection = self.connect()
        connection.request("POST", "/", fifo)
        answer = connection.getresponse()
        self.assertEqual(answer.read(5), b"first")
        open(fifo, "w").close()
        self.assertEqual(answer.read(), b"last")
        self.assertEqual(self.call(fifo, "HEAD", connection=self._after(fifo))[2], b"")

    def _after(self, fifo):
        threading.Thread(target=lambda: open(fifo, "w").close()).start()
        return self.connect()

    def test_a_caller_that_waits_for_leave_to_send_gets_it(self):
        self.start("def main(a, **kwargs): return a")
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n")
            self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 100"))
            sock.sendall(b'{"a":5}')
            self.assertTrue(sock.recv(1000).endswith(b"\r\n\r\n5"))

    def test_calls_run_at_once_as_many_as_there_are_slots(self):
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        self.start("def main(write, fifo, **kwargs):\n    with open(fifo, 'w' if write else 'r') as file:\n"
                   "        return file.write('met') if write else file.read()", HOB_CONCURRENCY="2")
        reader = self.connect()
        reader.request("POST", "/", json.dumps({"fifo": fifo, "write": False}))
        self.assertEqual(self.call(json.dumps({"fifo": fifo, "write": True}))[2], b"3")
        self.assertEqual(reader.getresponse().read(), b'"met"')


class Failures(StandaloneTest):
    def test_each_kind_has_its_status(self):
        self.start("""
            import os, signal
            def main(what="", **kwargs):
                if what == "raise": raise ValueError("no such city")
                if what == "exit": os._exit(3)
                if what == "signal": os.kill(os.getpid(), signal.SIGSEGV)
                if what == "set": return {1}
                while what == "loop": pass
                return "fine"
            """, HOB_TIMEOUT_MS="300")
        status, error = self.fails(b'{"what": "raise"}')
        self.assertEqual((status, error["kind"], error["type"], error["message"]), (500, "raised", "ValueError", "no such city"))
        self.assertIn("main.py", error["traceback"])
        for body, expected in ((b"[1]", (400, "bad_input")), (b'{"what": "exit"}', (502, "exit")),
                               (b'{"what": "signal"}', (502, "signal")), (b'{"what": "loop"}', (504, "timeout")),
                               (b'{"what": "set"}', (500, "not_json"))):
            status, error = self.fails(body)
            self.assertEqual((status, error["kind"]), expected, body)
            self.assertEqual(self.call()[2], b'"fine"')

    def test_a_function_that_ignores_its_deadline_is_killed(self):
        self.start("import signal\ndef main(**kwargs):\n    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n"
                   "    while kwargs.get('loop'): pass\n    return 1", HOB_TIMEOUT_MS="300")
        status, error = self.fails(b'{"loop": true}')
        self.assertEqual((status, error["kind"]), (504, "timeout"))
        self.assertEqual(self.call()[2], b"1")

    def test_code_that_cannot_be_loaded_is_told_to_every_caller(self):
        self.start("import surely_not_there")
        for _ in range(2):
            status, error = self.fails()
            self.assertEqual((status, error["kind"], error["type"]), (500, "load", "ModuleNotFoundError"))
            self.assertIn("requirements.txt", error["message"])

    def test_a_stream_that_breaks_is_seen_as_broken(self):
        self.start("def handle(event, context):\n    yield 'half'\n    raise ValueError('no more')",
                   HOB_ENTRY="main.handle", HOB_CONVENTION="event-context")
        with self.assertRaises(http.client.IncompleteRead) as caught:
            self.call()
        self.assertEqual(caught.exception.partial, b"half")
        self.assertIn("ValueError: no more", self.ended()[2])

    def test_a_body_that_is_no_body_is_bad_input(self):
        self.start("def main(**kwargs): return 1")
        for head in (b"Content-Length: x", b"Transfer-Encoding: chunked\r\n\r\nzz", b"Content-Length: -1"):
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock:
                sock.sendall(b"POST / HTTP/1.1\r\nHost: h\r\n" + head + b"\r\n\r\n")
                self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 400"), head)

    def test_a_setting_that_makes_no_sense_is_named(self):
        shim = install(self.PARTS, os.path.join(self.directory, "opt"))
        done = subprocess.run([sys.executable, "-I", "-B", shim], env={"HOB_TIMEOUT_MS": "soon"}, stderr=subprocess.PIPE,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 64)
        self.assertIn(b"HOB_TIMEOUT_MS is 'soon'", done.stderr)

    def test_more_than_a_hundred_waiting_calls_are_refused(self):
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        self.start("def main(fifo=None, **kwargs):\n    if fifo: print('in', flush=True); open(fifo).read()\n    return 1")
        busy = self.connect()
        busy.request("POST", "/", json.dumps({"fifo": fifo}))
        self.assertEqual(self.process.stdout.readline(), b"in\n")
        callers, statuses, refused = [], [], threading.Event()

        def call():
            statuses.append(self.call()[0])
            if statuses[-1] == 429:
                refused.set()
        for _ in range(101):
            callers.append(threading.Thread(target=call))
            callers[-1].start()
        self.assertTrue(refused.wait(PATIENCE))
        open(fifo, "w").close()
        for caller in callers:
            caller.join(PATIENCE)
        self.assertEqual((statuses.count(429), statuses.count(200)), (1, 100))


class Ends(StandaloneTest):
    def test_what_is_printed_goes_to_the_containers_streams(self):
        self.start("import sys\ndef main(**kwargs):\n    print('out')\n    print('err', file=sys.stderr)")
        self.call()
        code, output, errors = self.ended()
        self.assertEqual((code, output, errors), (0, "out\n", "err\n"))

    def test_a_call_in_flight_is_answered_before_the_end(self):
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        self.start("def main(fifo, **kwargs):\n    print('in', flush=True)\n    open(fifo).read()\n    return 'done'")
        connection = self.connect()
        connection.request("POST", "/", json.dumps({"fifo": fifo}))
        self.assertEqual(self.process.stdout.readline(), b"in\n")
        self.process.terminate()
        while True:  # until it takes no more connections, which it has begun to end then
            try:
                socket.create_connection(("127.0.0.1", self.port), PATIENCE).close()
            except ConnectionError:
                break
        open(fifo, "w").close()
        answer = connection.getresponse()
        self.assertEqual((answer.read(), answer.getheader("Connection")), (b'"done"', "close"))
        self.assertEqual(self.process.wait(PATIENCE), 0)

    def test_without_its_supervisor_it_ends(self):
        self.start("import os\ndef main(**kwargs): return os.getppid()")
        os.kill(int(self.call()[2]), signal.SIGKILL)
        self.assertNotEqual(self.process.wait(PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
