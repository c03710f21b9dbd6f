"""The stand-alone mode: the shim without a daemon, as `docker run -p` starts it, spoken to over HTTP."""

import http.client
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import zoo  # noqa: E402  (needs the path above)
from worker import PATIENCE, SHIM, WORK, built  # noqa: E402
from played import alive  # noqa: E402


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Alone:
    """A shim that listens, and what it prints."""

    def __init__(self, code, **environment):
        self.port = free_port()
        self.out = tempfile.TemporaryFile(dir=WORK)
        self.process = subprocess.Popen([SHIM], stdout=self.out, stderr=subprocess.STDOUT, env=dict(
            environment, PATH=os.environ["PATH"], PORT=str(self.port), HOB_DEPS=code.deps, HOB_CODE=code.code))
        self.connect()

    def connect(self):
        """A connection, as soon as the port is open: connecting is tried again until then."""
        for _ in range(100_000):
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.printed()
        raise AssertionError("the port was never opened")

    def ask(self, body=None, method="POST", path="/", headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def error(self, *arguments, **keywords):
        """(status, kind) of a call that fails."""
        status, headers, body = self.ask(*arguments, **keywords)
        assert headers["Content-Type"] == "application/json", headers
        error = json.loads(body)["error"]
        assert set(error) == {"kind", "type", "message", "traceback"}, error
        return status, error["kind"]

    def printed(self):
        self.out.seek(0)
        return self.out.read().decode()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self.out.close()


class StandAlone(unittest.TestCase):
    def start(self, name, code, **environment):
        started = Alone(built(name, code), **environment)
        self.addCleanup(started.close)
        return started

    def kwargs(self, entry, **environment):
        return self.start("kwargs", zoo.KWARGS, HOB_CONVENTION="kwargs", HOB_ENTRY=entry, **environment)

    def test_a_request_is_answered_as_its_convention_says(self):
        web = self.start("http", zoo.HTTP)
        status, headers, body = web.ask(b"hi", method="PUT", path="/a%20b?x=1")
        self.assertEqual((status, headers["X-Two"]), (201, "2"))
        said = json.loads(body)
        self.assertEqual((said["method"], said["path"], said["body"]), ("PUT", "/a b", "hi"))
        self.assertEqual(said["host"], "127.0.0.1:%d" % web.port)

    def test_bodies_stream_both_ways(self):
        web = self.start("http", zoo.HTTP, HOB_ENTRY="Copy")
        body = os.urandom(1_000_000)
        self.assertEqual(web.ask(body)[2], body)
        chunks = (body[at:at + 10_000] for at in range(0, len(body), 10_000))
        self.assertEqual(web.ask(chunks)[2], body)
        for size in (65535, 65536, 65537, 131072):
            self.assertEqual(web.ask(body[:size])[2], body[:size])

    def test_a_program_of_scaleways_library_is_served(self):
        web = self.start("lambda", zoo.LAMBDA)
        self.assertEqual(web.ask(b"x", path="/a")[0], 201)
        self.assertEqual(web.error(path="/error"), (500, "raised"))

    def test_failures_have_the_statuses_of_the_daemon(self):
        web = self.kwargs("Strange", HOB_TIMEOUT_MS="5000")
        self.assertEqual(web.error(b"{}"), (500, "raised"))
        self.assertEqual(web.error(b"[]"), (400, "bad_input"))
        self.assertEqual(web.error(b'{"what": "nan"}'), (500, "not_json"))
        self.assertEqual(self.kwargs("Exit").error(), (502, "exit"))
        self.assertEqual(self.kwargs("Kill").error(), (502, "signal"))
        self.assertEqual(self.kwargs("Loop", HOB_TIMEOUT_MS="200").error(), (504, "timeout"))
        web = self.kwargs("Nowhere")
        for _ in range(2):
            self.assertEqual(web.error(), (500, "load"))
        self.assertIn("Nowhere", web.printed())

    def test_a_slot_comes_back_after_each_death(self):
        web = self.kwargs("Exit")
        for _ in range(4):
            self.assertEqual(web.error(), (502, "exit"))

    def test_output_goes_to_the_containers_streams(self):
        web = self.kwargs("Print")
        self.assertEqual(web.ask()[0], 200)
        for text in ("one €\n", "two\n", "three", "err\n", "err2\n"):
            self.assertIn(text, web.printed())

    def test_calls_run_at_once_up_to_the_concurrency(self):
        web = self.kwargs("Meet", HOB_CONCURRENCY="3")
        fifos = [os.path.join(tempfile.mkdtemp(dir=WORK), "fifo") for _ in range(3)]
        answers = []
        threads = []
        for fifo in fifos:
            os.mkfifo(fifo)
            threads.append(threading.Thread(target=lambda fifo=fifo: answers.append(web.ask(json.dumps({"fifo": fifo}))[2])))
            threads[-1].start()
        writers = [open(fifo, "w") for fifo in fifos]  # an open succeeds only when a call reads: all are at work then
        for writer in writers:
            writer.close()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(len(set(answers)), 3)

    def test_more_than_a_hundred_waiting_calls_are_refused(self):
        web = self.kwargs("Meet", HOB_TIMEOUT_MS="3000")
        fifo = os.path.join(tempfile.mkdtemp(dir=WORK), "fifo")
        os.mkfifo(fifo)
        body = json.dumps({"fifo": fifo}).encode()
        waiting = []
        for _ in range(110):
            waiting.append(socket.create_connection(("127.0.0.1", web.port)))
            self.addCleanup(waiting[-1].close)
            waiting[-1].sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        for _ in range(9):  # one is at work, a hundred wait
            answered = select.select(waiting, [], [], PATIENCE)[0][0]
            self.assertTrue(answered.recv(1000).startswith(b"HTTP/1.1 429 "))
            waiting.remove(answered)

    def test_sigterm_ends_it_after_the_call_in_flight(self):
        web = self.kwargs("Meet")
        fifo = os.path.join(tempfile.mkdtemp(dir=WORK), "fifo")
        os.mkfifo(fifo)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(web.ask(json.dumps({"fifo": fifo}))))
        thread.start()
        with open(fifo, "w"):
            web.process.terminate()
        thread.join(PATIENCE)
        self.assertEqual(answers[0][0], 200)
        self.assertEqual(web.process.wait(PATIENCE), 0)
        self.assertFalse(alive(int(answers[0][2])))

    def test_a_wrong_setting_is_named(self):
        code = built("kwargs", zoo.KWARGS)
        done = subprocess.run([SHIM], env={"PORT": "http", "HOB_DEPS": code.deps}, stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"PORT", done.stderr)


class Lost(unittest.TestCase):
    def test_without_the_daemon_it_was_promised_it_says_so_and_ends(self):
        built("kwargs", zoo.KWARGS)
        done = subprocess.run([SHIM], env={"HOB_DIAL": "unix:/nowhere/sock"}, stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, 69)
        self.assertIn(b"hob shim", done.stderr)


if __name__ == "__main__":
    unittest.main()
