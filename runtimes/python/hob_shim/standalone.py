"""HTTP without a daemon: `docker run -p 8080:8080 IMAGE` serves the function that is in the image.

Starts the supervisor as a child and plays the daemon for it (`front`), so that a call takes the same way
as always. This process runs no user code: it is PID 1, and ends when it is told to, after the calls in
flight, or when the supervisor ends. The environment says what to serve; see `_Settings`.
"""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import frames, supervisor
from .front import Failed, Front, say

USAGE = 64  # exit code, of sysexits.h
_FUNCTION = __file__.rpartition("/")[0].rpartition("/")[0] + "/function"
_STATUSES = {"bad_input": 400, "busy": 429, "timeout": 504, "exit": 502, "signal": 502, "out_of_memory": 502}
_LONGEST_LINE = 64 * 1024
_NOT_OURS = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "te", "trailer", "upgrade",
                       "proxy-connection"))  # headers that the connection decides on, not the function


def main(language):
    """Serves until SIGTERM, and ends the process."""
    try:
        settings = _Settings(language)
    except ValueError as error:
        say(str(error))
        os._exit(USAGE)
    folder = tempfile.mkdtemp(prefix="hob-", dir="/tmp")
    try:
        code = _serve(language, settings, folder + "/sock")
    except OSError as error:
        say("cannot serve on port %d: %s" % (settings.port, error))
        code = 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(code)


class _Settings:
    """What the environment says. Taken out of it before user code runs."""

    def __init__(self, language):
        self.port = _number("PORT", 8080, 0, 65535, keep=True)
        self.n_slots = _number("HOB_CONCURRENCY", 1, 1, 1024)
        self.load = {
            "revision": "", "path": _FUNCTION, "entry": os.environ.pop("HOB_ENTRY", ""),
            "convention": os.environ.pop("HOB_CONVENTION", language.DEFAULT_CONVENTION), "env": {},
            "timeout_ms": _number("HOB_TIMEOUT_MS", 60_000, 1, 86_400_000), "log_limit": 1 << 53,
            "function": {"name": "function", "namespace": "default", "version": 0, "memory_mib": 0},
        }


def _number(name, usual, least, most, keep=False):
    text = os.environ.get(name, "") if keep else os.environ.pop(name, "")
    if not text:
        return usual
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ValueError("%s is %r; it must be a whole number from %d to %d" % (name, text, least, most))
    return int(text)


def _serve(language, settings, path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(settings.n_slots + 1)
    server = _Server(("0.0.0.0", settings.port), _Call)
    token = os.urandom(16).hex()
    child = os.fork()  # before there are threads
    if child == 0:
        listener.close()
        server.socket.close()
        supervisor.run(language, "unix:" + path, token)
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    server.front = Front(settings.load, settings.n_slots)
    for serve in (lambda: server.front.serve(listener, token), server.serve_forever):
        threading.Thread(target=serve, daemon=True).start()
    say("serving on port %d" % server.server_port)
    return _wait_for_end(server, child)


_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


def _wait_for_end(server, child):
    """The exit code: 0 when we were told to end, after the calls in flight."""
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            say("the supervisor has ended, and nothing can be served without it")
            return os.WEXITSTATUS(status) or 1
        if signal.sigwait(_ENDS) != signal.SIGCHLD:
            break
    server.end()
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    return 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    front = None
    ending = False

    def __init__(self, *args):
        super().__init__(*args)
        self._changed = threading.Condition()
        self._n_requests = 0

    @contextmanager
    def request(self):
        """Around a request, from its first line to the last byte of its answer."""
        with self._changed:
            self._n_requests += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_requests -= 1
                self._changed.notify_all()

    def end(self):
        """Takes no more connections and waits for the requests in flight: each waits and runs with a deadline."""
        self.ending = True
        self.shutdown()
        self.server_close()
        with self._changed:
            self._changed.wait_for(lambda: not self._n_requests, self.front.patience())

    def handle_error(self, request, client_address):
        """A caller that goes away is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Call(BaseHTTPRequestHandler):
    """One connection of a caller, with one request after the other."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "hob", ""
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    _begun = False  # whether a part of the answer is out

    def handle_one_request(self):
        """Any method is the function's."""
        self.raw_requestline = self.rfile.readline(_LONGEST_LINE + 1)
        if not self.raw_requestline or len(self.raw_requestline) > _LONGEST_LINE:
            self.close_connection = True
            return
        with self.server.request():
            if self.parse_request():
                self._begun = False
                self._handle()
            self.wfile.flush()
        if self.server.ending:
            self.close_connection = True

    def handle_expect_100(self):
        """As usual, and at once."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def log_message(self, *_):
        """No log of accesses: standard error is the function's."""

    def _handle(self):
        try:
            rest = self._body()
            first = next(rest, b"")
            second = next(rest, None)
            if second is not None:
                rest = _chain(second, rest)
            self.server.front.call(self._header(), first, None if second is None else rest, self._answer)
        except Failed as failed:
            self._fail(failed.error)
        except ValueError as error:
            self._fail({"kind": "bad_input", "type": "", "message": str(error), "traceback": ""})

    def _header(self):
        path, _, query = self.path.partition("?")
        return {"id": os.urandom(16).hex(), "method": self.command, "path": path, "query": query,
                "headers": [[name.lower(), value] for name, value in self.headers.items()]}

    # The request's body.

    def _body(self):
        """Its pieces; ValueError if it is not what its headers say."""
        if self.headers.get("transfer-encoding", "identity").lower() != "identity":
            return self._chunked_body()
        return self._counted_body(_size(self.headers.get("content-length", "0"), 10))

    def _counted_body(self, left):
        while left:
            piece = self._exactly(min(left, frames.CHUNK))
            left -= len(piece)
            yield piece

    def _chunked_body(self):
        while True:
            size = _size(self._line().split(";")[0].strip(), 16)
            yield from self._counted_body(size)
            line = self._line()
            if not size:
                while line:  # trailers
                    line = self._line()
                return
            if line:
                raise self._broken("a chunk is longer than it says")

    def _line(self):
        line = self.rfile.readline(4096)
        if not line.endswith(b"\n"):
            raise self._broken("the body ends in the middle")
        return line.decode("latin-1").rstrip("\r\n")

    def _exactly(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise self._broken("the body ends in the middle")
        return data

    def _broken(self, why):
        self.close_connection = True
        return ValueError("the request's body cannot be read: %s" % why)

    # The answer.

    def _answer(self, reply, pieces):
        streamed = reply.get("stream")
        pieces = iter(pieces)
        first = next(pieces)
        silent = self.command == "HEAD" or reply["status"] in (204, 304)
        self._head(reply["status"], reply["headers"])
        if not streamed and reply["status"] not in (204, 304):
            self.send_header("Content-Length", str(len(first)))
        chunked = streamed and not silent and self.request_version != "HTTP/1.0"
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif streamed:
            self.close_connection = True
        if self.close_connection or self.server.ending:
            self.send_header("Connection", "close")
        self.end_headers()
        self._send(first, pieces, chunked, silent)

    def _head(self, status, headers):
        self._begun = True
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        for name, value in headers:
            if name.lower() not in _NOT_OURS:
                self.send_header(name, value.encode("utf-8").decode("latin-1"))

    def _send(self, first, pieces, chunked, silent):
        piece = first
        while piece is not None:
            if piece and not silent:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                self.wfile.flush()
            piece = next(pieces, None)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _fail(self, error):
        if error["traceback"]:
            say("the function failed: %s: %s\n%s" % (error["type"], error["message"], error["traceback"]))
        if self._begun:  # a part of the answer is out: the caller sees that the rest is missing
            self.close_connection = True
            return
        body = json.dumps({"error": error}).encode()
        self.close_connection = True  # part of the request's body may be unread
        self._head(_STATUSES.get(error["kind"], 500), [("Content-Type", "application/json")])
        if error["kind"] == "busy":
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _size(text, base):
    try:
        size = int(text, base)
    except ValueError:
        size = -1
    if size < 0 or not text.isalnum():
        raise ValueError("the request's body cannot be read: %r is not a length" % text)
    return size


def _chain(first, rest):
    yield first
    yield from rest
