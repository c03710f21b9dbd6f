"""Tries what a function must not do, and answers what came of it by the probe's name."""
import ctypes
import os
import resource
import socket
import stat
import struct
import tempfile


def attempt(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "done"


def refused(action):
    return "done" if attempt(action) == "done" else "refused"


def write(path):
    with open(path, "w") as file:
        file.write("x")


def status():
    with open("/proc/self/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def mounts():
    with open("/proc/self/mountinfo") as file:
        rows = [line.split() for line in file]
    return [(row[4], row[5].split(","), row[row.index("-") + 1]) for row in rows]


def gateway():
    with open("/proc/net/route") as file:
        rows = [line.split() for line in file][1:]
    route = next(row for row in rows if row[1] == "00000000")
    return socket.inet_ntoa(struct.pack("<L", int(route[2], 16)))


def dial(address):
    with socket.create_connection(address, timeout=2):
        pass


def mount():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) != 0:
        raise OSError(ctypes.get_errno(), "mount")


def filled():
    with tempfile.TemporaryFile(dir="/tmp") as file:
        size = 0
        try:
            while size < 64 << 20:
                size += os.write(file.fileno(), b"x" * (1 << 16))
        except OSError:
            pass
        return size


def forks():
    children = []
    try:
        while len(children) < 1000:
            pid = os.fork()
            if pid == 0:
                import time
                time.sleep(60)
                os._exit(0)
            children.append(pid)
    except OSError:
        pass
    for pid in children:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return len(children)


def many_files():
    files = []
    try:
        while len(files) < 5000:
            files.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        return error.strerror
    finally:
        for file in files:
            os.close(file)
    return "no limit"


def foreign_processes():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with open(f"/proc/{pid}/cmdline") as file:
            command = file.read()
        if command and "shim.py" not in command:
            found.append(command)
    return found


def devices():
    paths = [os.path.join("/dev", name) for name in os.listdir("/dev")]
    return [path for path in paths if stat.S_ISBLK(os.lstat(path).st_mode)]


def main(port, **_):
    of = status()
    found = mounts()
    host = gateway()
    virtual = {"proc", "tmpfs", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2"}
    places = ["/", "/usr/x", "/etc/passwd", "/hob/x", "/hob/sock/x", "/home/x", "/opt/hob/shim.py", "/var/tmp/x", "/x",
              "/dev/x", "/proc/sys/kernel/hostname", "/sys/x", "/proc/sysrq-trigger"]
    return {
        "capabilities": [of[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "no new privileges": of["NoNewPrivs"],
        "seccomp": of["Seccomp"],
        "user": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
        "groups": [group for group in os.getgroups() if group != 1000],
        "becoming root": attempt(lambda: os.setuid(0)),
        "mounting": refused(mount),
        "writable places": [place for place in places if attempt(lambda: write(place)) == "done"],
        "writing the code": refused(lambda: write("/code/main.py")),
        "writing /tmp": "written" if attempt(lambda: write("/tmp/x")) == "done" else "refused",
        "the daemon's directory is read-only": any(at == "/hob" and "ro" in how for at, how, _ in found),
        "the root is read-only": any(at == "/" and "ro" in how for at, how, _ in found),
        "mounts": [at for at, _, kind in found if kind not in virtual],
        "engine sockets": [path for path in ("/var/run/docker.sock", "/run/docker.sock") if os.path.exists(path)],
        "open files": list(resource.getrlimit(resource.RLIMIT_NOFILE)),
        "opening many files": many_files(),
        "the host's address": refused(lambda: dial(("127.0.0.1", port))),
        "the daemon on the gateway": refused(lambda: dial((host, port))),
        "foreign processes": foreign_processes(),
        "devices": devices(),
        "filling /tmp": filled(),
        "forks": forks(),
    }
