"""What the supervisor knows of other processes, from /proc and the control group. Decides nothing."""

import os
import signal

_OOM_COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def n_oom_kills():
    """How many processes of this container the kernel has killed for want of memory. 0 if unknown."""
    for path in _OOM_COUNTERS:
        try:
            with open(path, "rb") as file:
                for line in file:
                    if line.startswith(b"oom_kill "):
                        return int(line.split()[1])
        except (OSError, ValueError):
            continue
    return 0


def kill_group(leader):
    """Ends a whole process group at once. The leader is named too: it may be too young to lead."""
    for kill in (os.killpg, os.kill):
        try:
            kill(leader, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def my_children():
    """(pid, session) of each child of this process, those included that are dead but not yet reaped.

    A process with threads may look dead while the last of them still holds its children.
    """
    me = os.getpid()
    return [(pid, session) for pid, parent, session in _everybody() if parent == me]


def _everybody():
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as file:
                # The name, in brackets, may hold anything: look behind the last bracket.
                _, parent, _, session = file.read().rpartition(b")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        yield int(name), int(parent), int(session)


def adopt_orphans():
    """Outside a container (tests) this process is not PID 1 and must ask for what PID 1 gets."""
    if os.getpid() == 1:
        return
    try:
        import ctypes
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    except (ImportError, OSError, AttributeError):
        pass
