"""One slot: a process that loads the code once and then has one call in flight at a time.

Never returns: it ends with the connection, with its deadline (the kernel's SIGALRM), or by what
user code does to it. It does not restart itself and does not report its own death; the supervisor
does both.
"""

import os
import signal
import sys
from time import perf_counter_ns

from . import failures, frames
from .conventions import CONVENTIONS
from .output import Output

NO_DAEMON = 69  # exit codes, near those of sysexits.h
PROTOCOL_ERROR = 70
INTERNAL_ERROR = 71
DEFAULT_ENTRY = "main.main"


def run(address, token, number):
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
        _Slot(connection).serve()
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
    def __init__(self, connection):
        self._connection = connection
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
            self._answer = _prepare(header)
            report = {"ok": True}
        except BaseException as error:  # sys.exit in a module must not end the slot
            message = _missing_module(header, error)
            report = {"ok": False, "error": failures.describe("load", error, message)}
        self._leave_if_forked()
        _disarm()
        self._output.end()
        report["duration_us"] = (perf_counter_ns() - started) // 1000
        self._connection.send(frames.LOADED, report)

    # Calling.

    def _call(self, header, raw):
        body = self._rest_of_body(raw) if header.get("stream") else raw
        self._output.begin(_number(header, "log_limit"))
        _arm(header)
        started = perf_counter_ns()
        try:
            status, headers, result = self._answer(header, body)
            error = None
        except BaseException as raised:
            error = failures.describe(_kind_of(raised), raised)
        duration_us = (perf_counter_ns() - started) // 1000
        if self._output.in_child:
            self._leave_if_forked()
        _disarm()
        self._output.end()
        if error is not None:
            self._connection.send(frames.REPLY, {"error": error, "duration_us": duration_us})
        elif len(result) <= frames.CHUNK:
            self._connection.send(frames.REPLY, _REPLY % (status, headers, b"false", duration_us), result)
        else:
            self._stream(_REPLY % (status, headers, b"true", duration_us), result)

    def _rest_of_body(self, first):
        """Joins a streamed body; how long it may be is the daemon's business."""
        parts = [first]
        while True:
            frame = self._connection.receive()
            if frame is None:
                os._exit(0)
            kind, header, raw = frame
            if kind != frames.BODY:
                raise frames.ProtocolError("frame type %d inside a request body" % kind)
            parts.append(raw)
            if header.get("end"):
                return b"".join(parts)

    def _stream(self, header, body):
        send, chunk = self._connection.send, frames.CHUNK
        view = memoryview(body)
        send(frames.REPLY, header, bytes(view[:chunk]))
        for at in range(chunk, len(body), chunk):
            last = at + chunk >= len(body)
            send(frames.BODY, b'{"end":true}' if last else b"", bytes(view[at:at + chunk]))

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


def _arm(header):
    """The kernel ends this process at the deadline, whatever it is doing then."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, _number(header, "timeout_ms") / 1000)


def _disarm():
    signal.setitimer(signal.ITIMER_REAL, 0)


def _prepare(header):
    """Imports the entry and wraps it in its calling convention."""
    name = header.get("convention")
    if name not in CONVENTIONS:
        raise failures.LoadError("ValueError", "the calling convention `%s` is not known to this runtime; it has: %s"
                                 % (name, ", ".join(sorted(CONVENTIONS))))
    module, _, attribute = (header.get("entry") or DEFAULT_ENTRY).rpartition(".")
    if not module or not attribute:
        raise failures.LoadError("ValueError", "the entry `%s` is not MODULE.FUNCTION; the usual one is `%s`"
                                 % (header.get("entry"), DEFAULT_ENTRY))
    _set_environment(header.get("env") or {})
    path = header["path"]
    os.chdir(path)
    sys.path.insert(0, path)
    __import__(module)
    return CONVENTIONS[name](_find(sys.modules[module], attribute), header.get("function") or {})


def _set_environment(env):
    """The root is read-only and the user has no home: /tmp is the one place to write to."""
    os.environ.update(HOME="/tmp", TMPDIR="/tmp", PYTHONDONTWRITEBYTECODE="1")
    os.environ.update({str(key): str(value) for key, value in env.items()})


def _find(module, attribute):
    name = module.__name__
    try:
        function = getattr(module, attribute)
    except AttributeError:
        own = sorted(key for key, value in vars(module).items()
                     if callable(value) and getattr(value, "__module__", None) == name)
        raise failures.LoadError(
            "AttributeError", "module '%s' has no attribute '%s'; %s" % (name, attribute, _offer(name, own))) from None
    if not callable(function):
        raise failures.LoadError(
            "TypeError", "'%s.%s' is not callable, it is of type %s; let the entry name a function"
            % (name, attribute, type(function).__name__))
    return function


def _offer(module, functions):
    if not functions:
        return "define it there, or let the entry name another module"
    return "define it, or let the entry be one of: " + ", ".join(
        "%s.%s" % (module, function) for function in functions[:10])


def _missing_module(header, error):
    """A message for an entry that has no file, or for a library that is not there. Else None."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    entry = header.get("entry") or DEFAULT_ENTRY
    module = entry.rpartition(".")[0]
    if module != error.name and not module.startswith(error.name + "."):
        return "%s; name it in requirements.txt, or put it beside the code" % error
    found = sorted(name for name in os.listdir(header["path"]) if name.endswith(".py"))
    return "%s; the entry `%s` needs a file %s.py, and at the top of the code there %s" % (
        error, entry, module.replace(".", "/"),
        "are: " + ", ".join(found[:10]) if found else "is no Python file at all")
