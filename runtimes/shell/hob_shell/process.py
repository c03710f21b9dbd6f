"""One call's process: the body into its standard input, its standard output out as pieces, its standard
error to the call's log. Decides nothing about either's meaning.

A call ends when the program has ended: what it left running in the background keeps its slot's session, but
can neither hold the call open nor add to its answer.
"""

import collections
import os
import select
import signal
import sys

from hob_shim import bodies, frames, processes
from hob_shim.failures import Failed

_PIPE = 1 << 20  # bytes read at once, more than any pipe holds
_UNSENT = 4 * frames.CHUNK  # bytes of the request's body that may wait for the program to read
_TAIL = 4096  # bytes of standard error kept for the message of a failure
_LINES = 10
_children = []  # read end of the pipe by which the kernel tells of ended children


def watch_children():
    """Once for each slot: the end of a child makes a descriptor readable."""
    reader, writer = os.pipe()
    for fd in (reader, writer):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    _children.append(reader)


def run(command, environment, body):
    """The output as bytes, or as a Stream when it is longer than one frame.

    So a failure is one as long as nothing of the answer is out. Raises Failed if the program does not end
    with status 0. `body` is bytes, or a `bodies.Request`, which is read to its end.
    """
    pieces = _Process(command, environment, body).output()
    held, size = [], 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size > frames.CHUNK:
            return bodies.Stream(b"".join(held), pieces)
    return b"".join(held)


class _Process:
    def __init__(self, command, environment, body):
        self._request = None if body.__class__ is bytes else body
        self._unsent = collections.deque([body] if self._request is None else self._request.buffered())
        self._held = []  # output, until it may be sent
        self._tail = b""
        self._status = None
        self._poller = select.poll()
        self._actions = {}
        self._n_oom_kills = processes.n_oom_kills()
        self._start(command, environment)

    def _start(self, command, environment):
        ours, theirs = zip(_pipe(to_child=True), _pipe(), _pipe())
        try:
            self._pid = os.posix_spawn(
                command[0], command, environment, setsigmask=(), setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(theirs)])
        except (OSError, ValueError) as error:
            for fd in ours:
                os.close(fd)
            self._read_rest()
            raise Failed(type(error).__name__, "the program cannot be started: %s" % error) from None
        finally:
            for fd in theirs:
                os.close(fd)
        self._stdin, stdout, stderr = ours
        self._watch(stdout, select.POLLIN, self._read_stdout)
        self._watch(stderr, select.POLLIN, self._read_stderr)
        self._watch(_children[0], select.POLLIN, self._look_at_child)
        self._watch(self._stdin, select.POLLOUT, self._write_stdin)

    def _watch(self, fd, events, action):
        self._poller.register(fd, events)
        self._actions[fd] = action

    def _close(self, fd):
        if self._actions.pop(fd, None):
            self._poller.unregister(fd)
            os.close(fd)

    def output(self):
        """Standard output in pieces, none before the request has been read to its end."""
        while self._status is None:
            self._listen()
            for fd, _ in self._poller.poll():
                if fd in self._actions:
                    self._actions[fd](fd)
            if self._request is None or self._request.ended:
                yield from self._take()
        self._finish()
        yield from self._take()
        self._die_if_out_of_memory()
        if self._status != 0:
            raise Failed(*_explain(self._status, self._tail))

    def _die_if_out_of_memory(self):
        """The kernel has ended the program, the largest process, in place of the slot, whose end is what tells."""
        if _is_killed(self._status) and processes.n_oom_kills() > self._n_oom_kills:
            os.kill(os.getpid(), signal.SIGKILL)

    def _take(self):
        held, self._held = self._held, []
        return held

    def _finish(self):
        """What the program left in the pipes still counts; who else may write to them has to wait for nobody."""
        self._poller.unregister(_children[0])
        self._actions.pop(_children[0])
        for fd, action in list(self._actions.items()):
            if action in (self._read_stdout, self._read_stderr):
                action(fd)
            self._close(fd) if action != self._read_request else None
        self._read_rest()

    def _read_rest(self):
        if self._request is not None:
            self._request.whole()

    # Standard input.

    def _listen(self):
        """Whether more of the request is wanted now, and whether the program's input is at its end."""
        request = self._request
        if request is not None:
            wanted = not request.ended and sum(map(len, self._unsent)) < _UNSENT
            fd = request.fileno()
            if wanted and fd not in self._actions:
                self._watch(fd, select.POLLIN, self._read_request)
            elif not wanted and self._actions.pop(fd, None):
                self._poller.unregister(fd)
        if self._stdin not in self._actions:
            self._unsent.clear()  # the program reads no more
            return
        self._poller.modify(self._stdin, select.POLLOUT if self._unsent else 0)
        if not self._unsent and (request is None or request.ended):
            self._close(self._stdin)

    def _read_request(self, _fd):
        self._unsent.extend(self._request.arrived())

    def _write_stdin(self, fd):
        if not self._unsent:  # asked for no events, so this is the other end being closed
            self._close(fd)
        try:
            while self._unsent:
                piece = self._unsent[0]
                n_written = os.write(fd, piece)
                if n_written < len(piece):
                    self._unsent[0] = piece[n_written:]
                    return
                self._unsent.popleft()
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._close(fd)

    # Output.

    def _read_stdout(self, fd):
        data = _read(fd)
        if data:
            self._held.append(data)
        elif data is not None:
            self._close(fd)

    def _read_stderr(self, fd):
        data = _read(fd)
        if data:
            self._tail = (self._tail + data)[-_TAIL:]
            sys.stderr.buffer.write(data)
        elif data is not None:
            self._close(fd)

    def _look_at_child(self, fd):
        _read(fd)
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid:
            self._status = status


def _pipe(to_child=False):
    """(our end, the child's end)"""
    reader, writer = os.pipe()
    ours, theirs = (writer, reader) if to_child else (reader, writer)
    os.set_blocking(ours, False)
    return ours, theirs


def _read(fd):
    """What is there now: None if nothing, no bytes at the end."""
    try:
        return os.read(fd, _PIPE)
    except BlockingIOError:
        return None


def _is_killed(status):
    """By SIGKILL: itself, or, as a shell says it, the program that it waited for."""
    killed = signal.SIGKILL
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == killed or os.WEXITSTATUS(status) == 128 + killed


def _explain(status, tail):
    """(what the shell calls it, message) of a program that did not end well."""
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name if os.WTERMSIG(status) < signal.SIGRTMIN else "a signal"
        of, how = name, "was ended by %s" % name
    else:
        of = "exit status %d" % os.WEXITSTATUS(status)
        how = "ended with %s" % of
    lines = tail.decode("utf-8", "replace").strip().splitlines()[-_LINES:]
    return of, "\n".join(lines) or "the program %s and said nothing on standard error; let it say why" % how
