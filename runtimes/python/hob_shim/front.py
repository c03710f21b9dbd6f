"""The daemon's part for one function without a daemon: keeps the slots loaded, hands out calls, tells
why one failed. Speaks the frames of the contract; knows no HTTP. Used by `standalone` only.
"""

import collections
import os
import socket
import threading
import time

from . import frames

WAITING = 100  # calls that may wait for a slot
_REPORT_WITHIN = 5.0  # seconds for the supervisor to say how a slot ended
GRACE = 1.0  # seconds after a deadline until we enforce it ourselves
_LOG_LIMIT = 1 << 53  # bytes; the container's log is its owner's business
_DEATHS = {
    "timeout": ("timeout", "the function took longer than its timeout; raise HOB_TIMEOUT_MS, or do less"),
    "out_of_memory": ("out_of_memory", "the function ran out of memory; give the container more, or use less"),
    "exit": ("exit", "the function ended its process; return from it instead"),
}


class Failed(Exception):
    """A call that has no answer. `error` is what is told of it: kind, type, message, traceback."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.error = error

    @classmethod
    def of(cls, kind, message):
        """A failure that has no exception of the function behind it."""
        return cls({"kind": kind, "type": "", "message": message, "traceback": ""})


class _Slot:
    """One slot process, by its connection. The n-th that says hello under a number is the n-th that the
    supervisor reports the end of."""

    def __init__(self, number, generation, sock, connection):
        self.key = number, generation
        self.sock = sock
        self.connection = connection
        self.in_call = False
        self.deadline = 0.0

    def hang_up(self):
        """Ends the process, by the contract; wakes who reads or writes here."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was first
        self.sock.close()


class Front:
    """All slots of one worker. Every method may be called from any thread."""

    def __init__(self, load, n_slots):
        self._load = load
        self._n_slots = n_slots
        self._timeout = load["timeout_ms"] / 1000
        self._changed = threading.Condition()
        self._idle = collections.deque()
        self._n_waiting = 0
        self._refused = None  # the error of the last load, if it failed: the next would fail too
        self._unusable = []  # slots whose load failed; let go, they would be replaced for ever
        self._control = None
        self._n_hellos = collections.Counter()  # by number
        self._n_exits = collections.Counter()
        self._exits = {}  # reports by key, of slots that ended lately

    # Connections.

    def serve(self, listener, token):
        """Takes the worker's connections, for ever."""
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=self._welcome, args=(sock, token), daemon=True).start()

    def _welcome(self, sock, token):
        connection = frames.Connection(sock)
        try:
            kind, hello, _ = connection.receive() or (0, {}, b"")
            if kind != frames.HELLO or hello.get("token") != token:
                sock.close()
            elif hello["role"] == "control":
                self._watch(connection)
            else:
                self._prepare(self._known(hello["slot"], sock, connection))
        except (OSError, frames.ProtocolError) as error:
            say("lost a connection: %s" % error)
            sock.close()

    def _known(self, number, sock, connection):
        with self._changed:
            self._n_hellos[number] += 1
            return _Slot(number, self._n_hellos[number], sock, connection)

    def _watch(self, control):
        """The control connection: what it reports wakes those who wait for the end of a slot."""
        with self._changed:
            self._control = control
            self._want_slots()
        while True:
            frame = control.receive()
            if frame is None:
                return
            if frame[0] == frames.EXITED:
                self._exited(frame[1])

    def _want_slots(self):
        self._control.send(frames.SLOTS, {"count": self._n_slots})

    def _exited(self, report):
        number = report["slot"]
        with self._changed:
            self._n_exits[number] += 1
            generation = self._n_exits[number]
            self._exits[number, generation] = report
            self._exits.pop((number, generation - 2), None)  # whoever wanted to know has asked
            self._changed.notify_all()
            if report["cause"] == "out_of_memory":  # of these the supervisor replaces none by itself
                self._want_slots()

    def _prepare(self, slot):
        """Loads the code into a new slot."""
        slot.deadline = self._deadline()
        try:
            slot.connection.send(frames.LOAD, self._load)
            loaded, _ = self._await(slot, frames.LOADED)
            refused = None if loaded["ok"] else loaded["error"]
        except Failed as failed:
            slot.hang_up()
            refused = failed.error
        with self._changed:
            self._refused = refused
            (self._idle if refused is None else self._unusable).append(slot)
            self._changed.notify_all()
        if refused is not None:
            say("cannot load the function: %s\n%s" % (refused["message"], refused["traceback"]))

    def patience(self):
        """Seconds after which every call has its end: waiting for a slot, then running."""
        return 2 * self._timeout + GRACE

    def _deadline(self):
        return time.monotonic() + self._timeout + GRACE

    # Calls.

    def call(self, header, first, rest, answer):
        """Makes a call: `answer(reply, pieces)` gets the reply's header and an iterator of its body.

        `rest` gives what follows `first` of a body that is streamed, or is None. Raises Failed, also while
        the pieces are read.
        """
        slot = self._take()
        header = dict(header, timeout_ms=self._load["timeout_ms"], log_limit=_LOG_LIMIT, stream=rest is not None)
        try:
            reply, raw = self._ask(slot, header, first, rest)
            slot.in_call = bool(reply.get("stream"))
            if "error" in reply:
                raise Failed(reply["error"])
            answer(reply, self._pieces(slot, raw))
        finally:
            self._give_back(slot)

    def _take(self):
        with self._changed:
            if self._n_waiting >= WAITING:
                raise Failed.of("busy", "%d calls wait already; try again later" % WAITING)
            self._n_waiting += 1
            try:
                slot = self._wait_for_slot(time.monotonic() + self._timeout)
            finally:
                self._n_waiting -= 1
        slot.in_call = True
        slot.deadline = self._deadline()
        return slot

    def _wait_for_slot(self, deadline):
        while not self._idle:
            if self._refused is not None:
                raise Failed(self._refused)
            if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                raise Failed.of("busy", "no slot became free within the timeout; raise HOB_CONCURRENCY")
        return self._idle.popleft()

    def _give_back(self, slot):
        """The next call may have it, unless this one is not at its end."""
        if slot.in_call:
            slot.hang_up()
            self._cancel(slot)
        with self._changed:
            if not slot.in_call:
                self._idle.append(slot)
                self._changed.notify()

    def _ask(self, slot, header, first, rest):
        try:
            slot.connection.send(frames.INVOKE, header, first)
        except OSError:
            raise self._cause(slot) from None
        if rest is None:
            return self._await(slot, frames.REPLY)
        pump = threading.Thread(target=_send_rest, args=(slot, rest), daemon=True)
        pump.start()
        found = self._await(slot, frames.REPLY)
        pump.join()  # an answer comes after the whole body has been read
        return found

    def _pieces(self, slot, raw):
        yield raw
        while slot.in_call:
            header, raw = self._await(slot, frames.BODY)
            slot.in_call = not header.get("end")
            yield raw

    def _await(self, slot, wanted):
        """The next frame that is no log. Raises Failed when the slot ends instead, or is late."""
        try:
            while True:
                slot.sock.settimeout(max(0.001, slot.deadline - time.monotonic()))
                frame = slot.connection.receive()
                if frame is None:
                    break
                kind, header, raw = frame
                if kind == wanted:
                    return header, raw
                if kind != frames.LOG:
                    raise Failed.of("signal", "the slot sent frame type %d where %d belongs" % (kind, wanted))
                write_all(2 if header["stream"] == "stderr" else 1, raw)
        except socket.timeout:
            raise Failed.of(*_DEATHS["timeout"]) from None
        except OSError:
            pass  # it ends
        raise self._cause(slot)

    def _cancel(self, slot):
        """Kills the process, unless it has ended: then the number is its replacement's."""
        with self._changed:
            if slot.key in self._exits or self._n_exits[slot.key[0]] >= slot.key[1]:
                return
            try:
                self._control.send(frames.CANCEL, {"slot": slot.key[0]})
            except OSError:
                pass  # the worker is at its end

    def _cause(self, slot):
        """Why a slot has ended, as the supervisor reports it."""
        with self._changed:
            self._changed.wait_for(lambda: slot.key in self._exits, _REPORT_WITHIN)
            report = self._exits.get(slot.key)
        if report is None:
            return Failed.of("signal", "the function's process ended, and nobody said why")
        if report["cause"] in _DEATHS:
            return Failed.of(*_DEATHS[report["cause"]])
        return Failed.of("signal", "the function's process was ended by %s" % (report["signal"] or report["cause"]))


def _send_rest(slot, rest):
    try:
        for piece in rest:
            slot.connection.send(frames.BODY, b"", piece)
        slot.connection.send(frames.BODY, b'{"end":true}')
    except (OSError, ValueError):  # the slot has ended, or the caller has; who awaits the answer sees it
        slot.hang_up()


def say(text):
    """A line of the shim's own."""
    write_all(2, ("hob shim: %s\n" % text.strip()).encode("utf-8", "replace"))


def write_all(fd, data):
    """Writes to the container's log."""
    while data:
        data = data[os.write(fd, data):]
