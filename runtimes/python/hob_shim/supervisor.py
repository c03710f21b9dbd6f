"""PID 1 of a worker: keeps the slots alive and says how they ended. Runs no user code.

Single-threaded, because slots are forked from it. Sleeps in one poll(): on the control connection,
and on a pipe that signals write to. Every slot leads a session of its own; what it leaves behind is
re-parented to us and killed when the slot has ended.
"""

import gc
import os
import select
import signal
from time import monotonic

from . import frames, processes, slot

_STRAGGLERS_MS = 500  # how long to wait for killed processes to be gone
_FORK_FOR = 10.0  # seconds to keep trying to fork
_YOUNG = 0.1  # seconds; a slot that dies younger than this was not used
_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


def main(language):
    """Serves the daemon that the environment names; without one, plain HTTP."""
    address = os.environ.pop("HOB_DIAL", "")
    token = os.environ.pop("HOB_TOKEN", "")
    os.environ.pop("HOB_SLOT", None)
    if address:
        run(language, address, token)
    from . import standalone
    standalone.main(language)


def run(language, address, token):
    """Runs until the daemon hangs up or SIGTERM comes, and ends the process."""
    processes.adopt_orphans()
    supervisor = _Supervisor(language, address, token)
    code = 1
    try:
        code = supervisor.run()
    except (OSError, ValueError) as error:
        code = _complain("cannot go on: %s" % error, slot.NO_DAEMON)
    except frames.ProtocolError as error:
        code = _complain("protocol error: %s" % error, slot.PROTOCOL_ERROR)
    finally:
        supervisor.end_all()
    os._exit(code)


def _complain(text, code):
    os.write(2, ("hob shim: %s\n" % text).encode())
    return code


class _Place:
    """Where a slot runs, or will run again."""

    def __init__(self):
        self.pid = 0  # 0: nobody there
        self.born = 0.0
        self.cancelled = False
        self.start_at = 0.0  # when to start the next one; None: never
        self.n_young_deaths = 0


class _Supervisor:
    def __init__(self, language, address, token):
        self._language = language
        self._address = address
        self._token = token
        self._control = None
        self._places = {}
        self._n_oom_kills = processes.n_oom_kills()
        self._stopping = False
        self._fork_failing_since = None
        self._wake, self._wake_writer = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_writer, False)

    def run(self):
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        gc.collect()
        gc.freeze()  # so that a slot's collector does not copy our pages
        self._want(0)
        self._start_due()
        self._control = frames.dial(self._address)
        self._control.send(frames.HELLO, {
            "protocol": frames.PROTOCOL, "role": "control", "token": self._token,
            "runtime": self._language.NAME, "version": self._language.VERSION,
            "conventions": sorted(self._language.CONVENTIONS),
        })
        poller = select.poll()
        poller.register(self._control.fileno(), select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        while not self._stopping:
            ready = [fd for fd, _ in poller.poll(self._patience_ms())]
            self._drain_wake()
            self._reap()
            if self._control.fileno() in ready:
                self._listen()
            self._start_due()
        return 0

    def _on_signal(self, number, _frame):
        if number != signal.SIGCHLD:
            self._stopping = True

    def _drain_wake(self):
        try:
            while os.read(self._wake, 4096):
                pass
        except BlockingIOError:
            pass

    # What the daemon says.

    def _listen(self):
        if not self._control.fill():
            self._stopping = True
            return
        while not self._stopping:
            frame = self._control.buffered()
            if frame is None:
                return
            kind, header, _ = frame
            action = self._ACTIONS.get(kind)
            if action is None:
                raise frames.ProtocolError("frame type %d on the control connection" % kind)
            action(self, header)

    def _on_slots(self, header):
        count = _whole(header, "count")
        for number in range(count):
            self._want(number)
        for number, place in self._places.items():
            if number >= count:
                place.start_at = None
                self._cancel(place)

    def _on_cancel(self, header):
        place = self._places.get(_whole(header, "slot"))
        if place is not None:
            self._cancel(place)

    def _on_ping(self, _header):
        self._tell(frames.PONG, {})

    def _tell(self, kind, header):
        try:
            self._control.send(kind, header)
        except OSError:
            self._stopping = True  # as an end of file: the daemon has gone

    def _on_load(self, _header):
        """The place for engines without a shared file system: code as tar in `raw`. Not in version 1."""
        raise frames.ProtocolError("code over the wire is not part of version 1; mount it at /hob/code")

    _ACTIONS = {frames.SLOTS: _on_slots, frames.CANCEL: _on_cancel, frames.PING: _on_ping,
                frames.LOAD: _on_load}

    def _cancel(self, place):
        if place.pid:
            place.cancelled = True
            processes.kill_group(place.pid)

    # Starting slots.

    def _want(self, number):
        place = self._places.setdefault(number, _Place())
        if place.start_at is None:
            place.start_at = 0.0

    def _due(self):
        return [(place.start_at, number) for number, place in self._places.items()
                if not place.pid and place.start_at is not None]

    def _patience_ms(self):
        due = self._due()
        return max(1, int((min(due)[0] - monotonic()) * 1000) + 1) if due else None

    def _start_due(self):
        now = monotonic()
        for start_at, number in sorted(self._due()):
            if start_at > now or self._stopping:
                return
            place = self._places[number]
            pid = self._fork(number)
            if pid:
                place.pid, place.born, place.cancelled = pid, now, False
                self._fork_failing_since = None
            else:
                self._wait_for_room(place, now)
                return

    def _wait_for_room(self, place, now):
        """fork said no: somebody has filled the container with processes."""
        if self._fork_failing_since is None:
            self._fork_failing_since = now
        waited = now - self._fork_failing_since
        if waited > _FORK_FOR:
            raise OSError("no process could be started for %d seconds" % waited)
        self._end_orphans()
        place.start_at = now + min(1.0, max(0.01, waited))

    def _fork(self, number):
        """Starts a slot. 0 when the kernel has no room for a process now."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
        except OSError:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            return 0
        if pid == 0:
            self._become_slot(number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return pid

    def _become_slot(self, number):
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            os.setsid()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(self._wake)
            os.close(self._wake_writer)
            if self._control is not None:
                self._control.close()
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.close(null)
            code = slot.run(self._language, self._address, self._token, number)
        finally:
            os._exit(code)

    # Their ends.

    def _reap(self):
        """Looks at the dead before burying them: until then a group's number cannot be used again."""
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if dead is None:
                return
            pid = dead.si_pid
            found = [(number, place) for number, place in self._places.items() if place.pid == pid]
            if found:
                processes.kill_group(pid)
            _, status = os.waitpid(pid, 0)
            for number, place in found:
                self._ended(number, place, status)

    def _ended(self, number, place, status):
        place.pid = 0
        report = self._explain(place, status)
        self._end_orphans()
        self._plan_next(place, report["cause"])
        if self._control is not None:
            self._tell(frames.EXITED, dict(report, slot=number))

    def _explain(self, place, status):
        before, self._n_oom_kills = self._n_oom_kills, processes.n_oom_kills()
        if not os.WIFSIGNALED(status):
            cause = "cancelled" if place.cancelled else "exit"
            return {"cause": cause, "code": os.WEXITSTATUS(status), "signal": None}
        number = os.WTERMSIG(status)
        if place.cancelled:
            cause = "cancelled"
        elif number == signal.SIGALRM:
            cause = "timeout"
        elif number == signal.SIGKILL and self._n_oom_kills > before:
            cause = "out_of_memory"
        else:
            cause = "signal"
        return {"cause": cause, "code": None, "signal": _signal_name(number)}

    def _plan_next(self, place, cause):
        """At once, unless slots keep dying unused: then slower and slower, up to one a second."""
        now = monotonic()
        place.n_young_deaths = place.n_young_deaths + 1 if now - place.born < _YOUNG else 0
        if cause == "out_of_memory":
            place.start_at = None
        if place.start_at is not None:
            late = place.n_young_deaths - 5
            place.start_at = now + min(1.0, 0.05 * 2 ** min(late, 10)) if late > 0 else now

    def _end_orphans(self):
        """Kills and reaps what dead slots have left behind: each child of ours that no living slot leads.

        Done when none is left: a child is ours until it is reaped, and reaped only after its own
        children have become ours.
        """
        if os.getpid() == 1 and not any(place.pid for place in self._places.values()):
            self._kill_everybody()
        deadline = monotonic() + _STRAGGLERS_MS / 1000
        while True:
            strangers = self._strangers()
            if not strangers:
                return
            if monotonic() > deadline:
                break
            for pid in strangers:
                processes.kill_group(pid)
            self._bury(strangers)
        if os.getpid() == 1:
            self._kill_everybody()  # they multiply faster than we look: the neighbours are lost too

    def _strangers(self):
        alive = {place.pid for place in self._places.values() if place.pid}
        return [pid for pid, session in processes.my_children() if pid not in alive and session not in alive]

    def _kill_everybody(self):
        """One system call ends all but us: even those that fork faster than we can look."""
        try:
            os.kill(-1, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def _bury(self, strangers):
        """Waits a moment for them to be dead. Slots are left for `_reap`, which reports them."""
        waiter = select.poll()
        waiter.register(self._wake, select.POLLIN)
        waiter.poll(5)
        self._drain_wake()
        for pid in strangers:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass

    def end_all(self):
        """Leaves no process behind. Says nothing: whoever could hear it is gone."""
        for place in self._places.values():
            if place.pid:
                processes.kill_group(place.pid)
            place.pid = 0
        self._end_orphans()


def _whole(header, key):
    value = header.get(key)
    if value.__class__ is not int or not 0 <= value <= 1024:
        raise frames.ProtocolError("`%s` is %r; it must be a whole number up to 1024" % (key, value))
    return value


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return "SIG%d" % number
