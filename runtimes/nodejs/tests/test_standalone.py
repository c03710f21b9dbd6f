"""The shim without a daemon: an HTTP server of its own. Never sleeps: each wait has a limit."""

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

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from worker import SHIM  # noqa: E402  (needs the path above)
from played import PATIENCE, alive  # noqa: E402


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class StandaloneTest(unittest.TestCase):
    def serve(self, source, **env):
        """Starts the shim with this code and waits until it answers the port."""
        self.directory = tempfile.mkdtemp(prefix="hob-alone-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        with open(os.path.join(self.directory, "main.js"), "w") as file:
            file.write(textwrap.dedent(source))
        self.port = free_port()
        env = {"PATH": os.environ["PATH"], "PORT": str(self.port), "HOB_CODE": self.directory,
               "TMPDIR": self.directory, **env}
        self.process = subprocess.Popen(["node", SHIM], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.stop)
        for _ in range(100_000):
            try:
                socket.create_connection(("127.0.0.1", self.port), PATIENCE).close()
                return
            except ConnectionRefusedError:
                self.assertIsNone(self.process.poll())
        self.fail("it does not listen")

    def stop(self):
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate()
        self.process.stdout.close()
        self.process.stderr.close()

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def call(self, body=None, method="POST", path="/", headers=None, connection=None):
        connection = connection or self.connect()
        connection.request(method, path, body, headers or {}, encode_chunked=body is not None and not isinstance(body, (bytes, str)))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def failure(self, status, *args, **kwargs):
        found, headers, body = self.call(*args, **kwargs)
        self.assertEqual((found, headers["content-type"]), (status, "application/json"), body)
        return json.loads(body)["error"]


class Serving(StandaloneTest):
    def test_calls_are_answered_on_one_connection(self):
        self.serve("exports.main = (_, input) => input")
        connection = self.connect()
        for n in range(3):
            status, headers, body = self.call(json.dumps({"n": n}), connection=connection)
            self.assertEqual((status, headers["content-type"], json.loads(body)), (200, "application/json", {"n": n}))

    def test_a_convention_sees_the_request_and_says_the_whole_answer(self):
        self.serve("exports.handle = (event) => ({ statusCode: 201, headers: { a: ['1', '2'] }, "
                   "body: { path: event.path, query: event.queryStringParameters, x: event.headers.X } });",
                   HOB_ENTRY="main.handle", HOB_CONVENTION="event-context")
        connection = self.connect()
        connection.request("PUT", "/p/q?a=b", b"", {"x": "y"})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.headers.get_all("a")), (201, ["1", "2"]))
        self.assertEqual(json.loads(answer.read()), {"path": "/p/q", "query": {"a": "b"}, "x": "y"})

    def test_large_and_chunked_bodies_pass_both_ways(self):
        self.serve("exports.main = ({ body }) => body", HOB_ENTRY="main.main", HOB_CONVENTION="event-context")
        text = b"0123456789abcdef" * 100_000
        self.assertEqual(self.call(text)[2], text)
        status, headers, body = self.call(iter([text[:100], text[100:]]), headers={"transfer-encoding": "chunked"})
        self.assertEqual((status, headers.get("transfer-encoding"), body), (200, "chunked", text))

    def test_a_streamed_answer_arrives_part_by_part(self):
        self.serve("exports.main = async function* ({ body }) { yield 'one'; require('fs').readFileSync(body); yield 'two'; }",
                   HOB_ENTRY="main.main", HOB_CONVENTION="event-context")
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        connection = self.connect()
        connection.request("POST", "/", fifo.encode())
        answer = connection.getresponse()
        self.assertEqual(answer.read(3), b"one")
        open(fifo, "w").close()
        self.assertEqual(answer.read(), b"two")

    def test_output_goes_to_the_streams_of_the_container(self):
        self.serve("exports.main = () => { console.log('to out'); console.error('to err'); }")
        self.call()
        self.process.terminate()
        out, err = self.process.communicate(timeout=PATIENCE)
        self.assertEqual((out, err, self.process.returncode), (b"to out\n", b"to err\n", 0))

    def test_the_environment_is_the_functions_but_for_our_own_names(self):
        self.serve("exports.main = () => [process.env.MINE, Object.keys(process.env).filter((name) => /^HOB_/.test(name))]",
                   MINE="x", HOB_TIMEOUT_MS="5000")
        self.assertEqual(json.loads(self.call()[2]), ["x", []])

    def test_slots_work_at_once(self):
        self.serve("exports.main = (_, { fifo }) => { require('fs').readFileSync(fifo); return process.pid; }", HOB_CONCURRENCY="2")
        fifos = [os.path.join(self.directory, str(n)) for n in range(2)]
        answers, threads = [], []
        for fifo in fifos:
            os.mkfifo(fifo)
            threads.append(threading.Thread(target=lambda f=fifo: answers.append(self.call(json.dumps({"fifo": f}))[2])))
            threads[-1].start()
        for file in [open(fifo, "w") for fifo in fifos]:  # each opens when it is read from, and both are open now
            file.close()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(len(set(answers)), 2)


class Failing(StandaloneTest):
    def test_each_kind_has_its_status(self):
        self.serve("""
            exports.main = (_, { kind }) => {
              if (kind === 'raised') throw new RangeError('no');
              if (kind === 'not_json') return 1n;
              if (kind === 'exit') process.reallyExit(3);
              if (kind === 'signal') { process.kill(process.pid, 'SIGKILL'); for (;;); }
              if (kind === 'timeout') for (;;);
              return 'ok';
            };
            """, HOB_TIMEOUT_MS="1000")
        error = self.failure(500, b'{"kind":"raised"}')
        self.assertEqual((error["kind"], error["type"], error["message"]), ("raised", "RangeError", "no"))
        self.assertIn("main.js:3", error["traceback"])
        self.assertEqual(self.failure(500, b'{"kind":"not_json"}')["kind"], "not_json")
        self.assertEqual(self.failure(400, b"[1]")["kind"], "bad_input")
        for kind, status, word in (("exit", 502, "code 3"), ("signal", 502, "SIGKILL"), ("timeout", 504, "HOB_TIMEOUT_MS")):
            error = self.failure(status, json.dumps({"kind": kind}))
            self.assertEqual(error["kind"], kind)
            self.assertIn(word, error["message"])
            self.assertEqual(self.call(b'{"kind":""}')[2], b'"ok"')

    def test_memory_that_runs_out_is_told_and_served_again(self):
        self.serve("exports.main = (_, input) => { const all = []; while (input) all.push(new Array(1000).fill(all.length)); return 'ok'; }",
                   NODE_OPTIONS="--max-old-space-size=40")
        self.assertEqual(self.failure(502, b"{}")["kind"], "out_of_memory")
        self.assertEqual(self.call(b"")[2], b'"ok"')

    def test_code_that_cannot_be_loaded_is_told_to_each_call(self):
        self.serve("require('surely-not-there')")
        for _ in range(2):
            error = self.failure(500)
            self.assertEqual(error["kind"], "load")
            self.assertIn("surely-not-there", error["message"])

    def test_a_stream_that_breaks_off_breaks_the_connection(self):
        self.serve("exports.main = async function* () { yield 'a'; throw new Error('no'); }", HOB_ENTRY="main.main", HOB_CONVENTION="event-context")
        with self.assertRaises((http.client.IncompleteRead, ConnectionResetError)):
            self.call()

    def test_a_caller_who_leaves_gives_the_slot_back(self):
        self.serve("exports.main = (_, { wait }) => { if (wait) { console.log('in'); for (;;); } return 'ok'; }")
        connection = self.connect()
        connection.request("POST", "/", b'{"wait":1}')
        self.assertEqual(self.process.stdout.readline(), b"in\n")
        connection.close()
        self.assertEqual(self.call(b'{"wait":0}')[2], b'"ok"')

    def test_more_than_a_hundred_waiting_calls_are_refused(self):
        self.serve("exports.main = (_, { fifo }) => { if (fifo) { console.log('in'); require('fs').readFileSync(fifo); } return 1; }")
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        first = self.connect()
        first.request("POST", "/", json.dumps({"fifo": fifo}))
        self.assertEqual(self.process.stdout.readline(), b"in\n")
        waiting = [self.connect() for _ in range(101)]
        for connection in waiting:
            connection.request("POST", "/", b"{}")
        refused = self.refused_of(waiting)
        self.assertEqual((refused.status, json.loads(refused.read())["error"]["kind"]), (429, "busy"))
        open(fifo, "w").close()
        self.assertEqual(first.getresponse().read(), b"1")
        self.assertEqual({each.getresponse().read() for each in waiting}, {b"1"})

    @staticmethod
    def refused_of(waiting):
        """Exactly one of these is answered before the slot is free; it is taken out."""
        import select
        ready, _, _ = select.select([each.sock for each in waiting], [], [], PATIENCE)
        (connection,) = [each for each in waiting if each.sock in ready]
        waiting.remove(connection)
        return connection.getresponse()


class Ending(StandaloneTest):
    def test_sigterm_waits_for_the_call_in_flight_and_leaves_nothing(self):
        self.serve("exports.main = (_, { fifo }) => { console.log(process.pid); require('fs').readFileSync(fifo); return 'done'; }")
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        connection = self.connect()
        connection.request("POST", "/", json.dumps({"fifo": fifo}))
        pid = int(self.process.stdout.readline())
        self.process.send_signal(signal.SIGTERM)
        open(fifo, "w").close()
        self.assertEqual(connection.getresponse().read(), b'"done"')
        self.assertEqual(self.process.wait(PATIENCE), 0)
        self.assertFalse(alive(pid))

    def test_a_setting_that_is_no_number_is_refused_by_name(self):
        done = subprocess.run(["node", SHIM], env={"PATH": os.environ["PATH"], "PORT": "eighty"}, stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue(re.search(rb"PORT is `eighty`", done.stderr))


if __name__ == "__main__":
    unittest.main()
