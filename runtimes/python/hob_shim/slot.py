"""One slot: a process that loads the code once and then has one call in flight at a time.

Never returns: it ends with the connection, with its deadline (the kernel's SIGALRM), or by what
user code does to it. It does not restart itself and does not report its own death; the supervisor
does both.

`_signal` and not `signal`: the latter makes enums of numbers, twice for each call.
"""

import _signal
import os
from time import perf_counter_ns

from . import bodies, failures, frames
from .output import Output

NO_DAEMON = 69  # exit codes, near those of sysexits.h
PROTOCOL_ERROR = 70
INTERNAL_ERROR = 71
ABANDONED = 1  # the function failed in the middle of an answer that had begun


def run(language, address, token, number):
    """Dials the daemon, says hello, serves until it hangs up. The exit code is returned."""
    _prefer_me_when_memory_is_short()
    stderr = os.dup(2)
    try:
        connection = frames.dial(address)
    except (OSError, ValueError) as error:
        return _complain(stderr, number, "cannot reach the daemon: %s" % error, NO_DAEMON)
    try:
        hello = {"protocol": frames.PROTOCOL, "role": "slot", "token": token, "slot": number}
        connection.send(frames.HELLO, hello)
        _Slot(language, connection, number).serve()
    except frames.ProtocolError as error:
        return _complain(stderr, number, "protocol error: %s" % error, PROTOCOL_ERROR)
    except OSError as error:
        return _complain(stderr, number, "lost the daemon: %s" % error, NO_DAEMON)
    except Exception as error:  # e.g. no thread can be started: say so, or nobody will ever know
        return _complain(stderr, number, "%s: %s" % (type(error).__name__, error), INTERNAL_ERROR)
    return 0


def _complain(stderr, number, text, code):
    os.write(stderr, ("hob shim, slot %d: %s\n" % (number, text)).encode())
    return code


def _prefer_me_when_memory_is_short():
    """The kernel then kills a slot and never PID 1. Children inherit it."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(fd, b"1000")
        os.close(fd)
    except OSError:
        pass  # not in a container: only the report of the cause is lost


class _Slot:
    def __init__(self, language, connection, number):
        self._language = language
        self._connection = connection
        self._number = number
        self._output = Output(connection)
        self._answer = None

    def serve(self):
        frame = self._connection.receive()
        if frame is None:
            return
        kind, header, _ = frame
        if kind != frames.LOAD:
            raise frames.ProtocolError("frame type %d before the code was loaded" % kind)
        self._load(header)
        receive, call = self._connection.receive, self._call
        while True:
            frame = receive()
            if frame is None:
                return
            kind, header, raw = frame
            if kind != frames.INVOKE or self._answer is None:
                raise frames.ProtocolError("frame type %d where an invoke may come" % kind)
            call(header, raw)

    # Loading.

    def _load(self, header):
        started = perf_counter_ns()
        self._output.capture()
        self._output.begin(_number(header, "log_limit"))
        _arm(header)
        try:
            self._answer = self._language.prepare(dict(header, slot=self._number))
            report = {"ok": True}
        except BaseException as error:  # sys.exit in a module must not end the slot
            message = self._language.explain(header, error)
            report = {"ok": False, "error": failures.describe("load", error, message)}
        self._leave_if_forked()
        _disarm()
        self._output.end()
        report["duration_us"] = (perf_counter_ns() - started) // 1000
        self._connection.send(frames.LOADED, report)

    # Calling.

    def _call(self, header, raw):
        body = self._body(raw) if header.get("stream") else raw
        self._output.begin(_number(header, "log_limit"))
        _arm(header)
        started = perf_counter_ns()
        try:
            status, headers, result = self._answer(header, body)
            error = None
        except frames.ProtocolError:  # of a body that is read while it is used
            raise
        except BaseException as raised:
            error = failures.describe(_kind_of(raised), raised)
        duration_us = (perf_counter_ns() - started) // 1000
        if self._output.in_child:
            self._leave_if_forked()
        if error is None and result.__class__ is not bytes:
            self._send_stream(_REPLY % (status, headers, b"true", duration_us), result)
            return
        _disarm()
        self._output.end()
        if error is not None:
            self._connection.send(frames.REPLY, {"error": error, "duration_us": duration_us})
        elif len(result) <= frames.CHUNK:
            self._connection.send(frames.REPLY, _REPLY % (status, headers, b"false", duration_us), result)
        else:
            self._send_large(_REPLY % (status, headers, b"true", duration_us), result)

    def _body(self, first):
        request = bodies.Request(self._connection, first)
        return request if self._language.STREAMS_INPUT else request.whole()

    def _send_large(self, header, body):
        """An answer that is all there, in several frames."""
        send, chunk = self._connection.send, frames.CHUNK
        view = memoryview(body)
        send(frames.REPLY, header, bytes(view[:chunk]))
        for at in range(chunk, len(body), chunk):
            last = at + chunk >= len(body)
            send(frames.BODY, b'{"end":true}' if last else b"", bytes(view[at:at + chunk]))

    def _send_stream(self, header, stream):
        """An answer that the function still makes, within its deadline, while it prints.

        Once it has begun it cannot become a failure any more: then the slot ends, and whoever reads
        the answer sees that it is not whole.
        """
        self._send_pieces(frames.REPLY, header, stream.first)
        rest = iter(stream.rest)
        while True:
            piece = self._next(rest)
            if piece is None:
                break
            self._send_pieces(frames.BODY, b"", piece)
        _disarm()
        self._output.end()
        self._connection.send(frames.BODY, b'{"end":true}')

    def _next(self, pieces):
        """The next piece that the function makes; None at the end."""
        try:
            return next(pieces, None)
        except BaseException as raised:
            self._leave_if_forked()
            self._abandon(failures.describe("raised", raised))
        finally:
            self._leave_if_forked()

    def _send_pieces(self, kind, header, piece):
        for part in bodies.chunks(piece):
            with self._output.lock:  # what is printed meanwhile travels on the same connection
                self._connection.send(kind, header, part)
            kind, header = frames.BODY, b""

    def _abandon(self, error):
        text = error["traceback"] or "%s: %s\n" % (error["type"], error["message"])
        self._output.write_text(1, text + "[hob: the answer had begun and stays unfinished]\n")
        self._output.end()
        os._exit(ABANDONED)

    def _leave_if_forked(self):
        """A child that user code forked and let run out of the function has nothing to say here."""
        if self._output.in_child:
            os._exit(0)


_REPLY = b'{"status":%d,"headers":%b,"stream":%b,"duration_us":%d}'


def _kind_of(error):
    if isinstance(error, failures.BadInput):
        return "bad_input"
    return "not_json" if isinstance(error, failures.NotJson) else "raised"


def _number(header, key):
    value = header.get(key)
    if value.__class__ is not int or value < 0:
        raise frames.ProtocolError("`%s` is %r; it must be a whole number" % (key, value))
    return value


_SIGALRM, _DEFAULT, _REAL = int(_signal.SIGALRM), int(_signal.SIG_DFL), _signal.ITIMER_REAL


def _arm(header):
    """The kernel ends this process at the deadline, whatever it is doing then."""
    if _signal.getsignal(_SIGALRM) != _DEFAULT:  # the function wanted it for itself
        _signal.signal(_SIGALRM, _DEFAULT)
    _signal.setitimer(_REAL, _number(header, "timeout_ms") / 1000)


def _disarm():
    _signal.setitimer(_REAL, 0)
