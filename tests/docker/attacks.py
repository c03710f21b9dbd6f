"""Tries to get out, and answers what came of each attempt: what the kernel refused it with, or `done`.

The text is sent into a function and into a container of an image alike; it stands on its own, with a C library."""
import ctypes
import errno
import os
import platform
import resource
import socket
import subprocess

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000
PTRACE_ATTACH = 16
# Calls without a function in the C library, by machine.
NUMBERS = {
    "x86_64": {"keyctl": 250, "add_key": 248, "bpf": 321, "perf_event_open": 298, "init_module": 175,
               "kexec_load": 246, "pivot_root": 155, "userfaultfd": 323},
    "aarch64": {"keyctl": 219, "add_key": 217, "bpf": 280, "perf_event_open": 241, "init_module": 105,
                "kexec_load": 104, "pivot_root": 41, "userfaultfd": 282},
}


def attempt(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
    except ValueError as error:
        return str(error)
    return "done"


def checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def system_call(name, *arguments):
    number = NUMBERS[platform.machine()][name]
    checked(LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments)))


def write(path, text="0"):
    with open(path, "w") as file:
        file.write(text)


def joined(path):
    with open(path) as file:
        checked(LIBC.setns(file.fileno(), 0))


def traced(pid):
    checked(LIBC.ptrace(PTRACE_ATTACH, pid, None, None))


def set_clock():
    seconds = (ctypes.c_long * 2)(0, 0)
    checked(LIBC.clock_settime(0, seconds))


def by_handle():
    handle = ctypes.create_string_buffer(b"\x08\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00")
    checked(LIBC.open_by_handle_at(-100, handle, os.O_RDONLY))


def made_device():
    os.mknod("/tmp/disk", 0o60666, os.makedev(8, 0))


def given_to_root():
    write("/tmp/given")
    os.chown("/tmp/given", 0, 0)


def raised_files():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))


def found(paths):
    return [path for path in paths if os.path.exists(path)]


def readable(paths):
    def first_byte(path):
        try:
            with open(path, "rb") as file:
                return file.read(1)
        except OSError:
            return b""
    return [path for path in paths if first_byte(path)]


def set_user_programs():
    """The effective users of programs that carry the bit to become root."""
    users = {}
    for path in ("/setuid-python", "/usr/bin/su", "/bin/su"):
        if not os.path.exists(path) or not os.stat(path).st_mode & 0o4000:
            continue
        # It waits for its input, long enough to be looked at.
        program = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(f"/proc/{program.pid}/status") as file:
            line = next(line for line in file if line.startswith("Uid:"))
        users[path] = int(line.split()[2])
        program.kill()
        program.communicate()
    return users


def tries(marker, daemon):
    ordinary = {
        "a user namespace": lambda: checked(LIBC.unshare(NEW_USER)),
        "a mount namespace": lambda: checked(LIBC.unshare(NEW_MOUNTS)),
        "joining a namespace": lambda: joined("/proc/1/ns/mnt"),
        "mounting": lambda: checked(LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
        "mounting the root anew": lambda: checked(LIBC.mount(b"none", b"/", None, 0x20, None)),
        "unmounting": lambda: checked(LIBC.umount2(b"/tmp", 2)),
        "changing the root": lambda: os.chroot("/tmp"),
        "pivoting the root": lambda: system_call("pivot_root", 0, 0),
        "keys of the kernel": lambda: system_call("keyctl", 0, -3, 1),
        "adding a key": lambda: system_call("add_key", 0, 0, 0, 0, -3),
        "programs in the kernel": lambda: system_call("bpf", 0, 0, 0),
        "watching the processor": lambda: system_call("perf_event_open", 0, 0, -1, -1, 0),
        "page faults of the kernel": lambda: system_call("userfaultfd", 0),
        "modules of the kernel": lambda: system_call("init_module", 0, 0, 0),
        "another kernel": lambda: system_call("kexec_load", 0, 0, 0, 0),
        "restarting the machine": lambda: checked(LIBC.reboot(0x89ABCDEF)),
        "swapping": lambda: checked(LIBC.swapon(b"/tmp/x", 0)),
        "setting the clock": set_clock,
        "naming the machine": lambda: socket.sethostname("mine"),
        "opening a file by its number": by_handle,
        "a device of its own": made_device,
        "giving a file to root": given_to_root,
        "raw packets": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
        "packets of the wire": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
        "more open files": raised_files,
        "more of the processor": lambda: os.nice(-5),
        "being spared by the kernel": lambda: write("/proc/self/oom_score_adj", "-1000"),
        "a setting of the kernel": lambda: write("/proc/sys/kernel/core_pattern", "|/tmp/x"),
        "a setting of its group": lambda: write("/sys/fs/cgroup/memory/memory.limit_in_bytes"
                                                if os.path.exists("/sys/fs/cgroup/memory")
                                                else "/sys/fs/cgroup/memory.max", "max"),
        "the daemon's process": lambda: os.kill(daemon, 0),
        "tracing the daemon": lambda: traced(daemon),
    }
    came = {name: attempt(action) for name, action in ordinary.items()}
    came["the host's files"] = found([root + marker for root in ("", "/proc/1/root", "/proc/self/root", "/host", "/mnt")])
    came["memory of the kernel"] = readable(["/dev/mem", "/dev/kmem", "/dev/port", "/proc/kcore", "/proc/keys",
                                             "/proc/timer_list", "/sys/firmware/dmi/tables/DMI"])
    came["programs that become root"] = set_user_programs()
    return came
