"""What the tests stand on: the Go tool, programs built of a few lines of code, and the daemon's side of a worker.

The Go tool is the one in PATH; where there is none, everything that needs it runs in the container image
that builds functions, at the same paths. Nothing is skipped silently: with neither, the tests fail.
"""

import atexit
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import textwrap

HELLO, LOAD, LOADED, INVOKE, BODY, REPLY, LOG, CANCEL, PING, PONG, SLOTS, EXITED = range(1, 13)
KIT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD_IMAGE = "hob-base/go-build"
PATIENCE = 30  # seconds
CHUNK = 64 * 1024

WORK = tempfile.mkdtemp(prefix="hob-go-")
atexit.register(shutil.rmtree, WORK, ignore_errors=True)
SHIM = os.path.join(WORK, "shim")
BUILD = os.path.join(WORK, "build")


def go(command, directory, **environment):
    """Runs a command that needs the Go tool: (exit code, what it said)."""
    environment = dict(environment, CGO_ENABLED="0", GOFLAGS="-buildvcs=false", GOPROXY="off")
    if not shutil.which("go"):
        environment.update(HOME=WORK, GOCACHE=os.path.join(WORK, "cache"))
        command = (["docker", "run", "--rm", "--network", "none", "-v", "%s:%s" % (WORK, WORK), "-v", "%s:%s:ro" % (KIT, KIT),
                    "-w", directory, "-u", "%d:%d" % (os.getuid(), os.getgid())]
                   + [word for item in environment.items() for word in ("-e", "%s=%s" % item)] + [BUILD_IMAGE] + command)
    done = subprocess.run(command, cwd=directory, env=dict(os.environ, **environment), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def must(result):
    code, said = result
    assert code == 0, said
    return said


def tools():
    """Builds the shim and the build command, once."""
    if not os.path.exists(SHIM):
        must(go(["go", "build", "-trimpath", "-o", BUILD, "./build"], KIT))
        must(go(["go", "build", "-trimpath", "-o", SHIM, "./shim"], KIT))


def write(directory, files):
    for name, text in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(textwrap.dedent(text))


class Built:
    """A function's code and what was built of it."""

    def __init__(self, files=None, directory=None):
        tools()
        self.place = tempfile.mkdtemp(dir=WORK)
        self.code, self.deps = os.path.join(self.place, "code"), os.path.join(self.place, "deps")
        copy = os.path.join(self.place, "copy")
        if directory:
            shutil.copytree(directory, self.code)
        else:
            os.mkdir(self.code)
            write(self.code, files)
        shutil.copytree(self.code, copy)
        self.exit, self.said = go([BUILD, "programs", copy, KIT, self.deps], copy)

    def must(self):
        assert self.exit == 0, self.said
        return self


_built = {}


def built(name, files=None, directory=None):
    """The code of that name, built once for all tests."""
    if name not in _built:
        _built[name] = Built(files, directory).must()
    return _built[name]


class Link:
    """One connection, seen from the daemon."""

    def __init__(self, sock):
        self.sock = sock
        self.hello = None
        self.logs = []

    def send(self, kind, header=None, raw=b""):
        text = json.dumps(header).encode() if header is not None else b""
        self.sock.sendall(struct.pack(">IBI", len(text) + len(raw), kind, len(text)) + text + raw)

    def exactly(self, size):
        data = bytearray()
        while len(data) < size:
            part = self.sock.recv(min(size - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def frame(self):
        size, kind, header = struct.unpack(">IBI", self.exactly(9))
        data = self.exactly(size)
        return kind, json.loads(data[:header] or b"{}"), data[header:]

    def expect(self, kind):
        """The next frame of this type; log frames before it are kept."""
        while True:
            found, header, raw = self.frame()
            if found != LOG or kind == LOG:
                assert found == kind, (found, header, raw)
                return header, raw
            self.logs.append((header, raw))

    def printed(self, stream=None):
        return b"".join(raw for header, raw in self.logs
                        if stream in (None, header["stream"]) and "cut" not in header).decode()

    def load(self, path, **changes):
        header = {"revision": "r1", "path": path, "entry": "", "convention": "kwargs", "env": {},
                  "timeout_ms": 20000, "log_limit": 1 << 20,
                  "function": {"name": "f", "namespace": "n", "version": 3, "memory_mib": 256}}
        header.update(changes)
        self.logs = []
        self.send(LOAD, header)
        return self.expect(LOADED)[0]

    def start(self, body=b"", **changes):
        header = {"id": "e1", "timeout_ms": 20000, "method": "POST", "path": "/", "query": "", "headers": [],
                  "stream": False, "log_limit": 1 << 20}
        header.update(changes)
        self.logs = []
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send(INVOKE, header, body)

    def finish(self):
        """(reply header, whole body)"""
        header, body = self.expect(REPLY)
        end = not header.get("stream")
        while not end:
            part, raw = self.expect(BODY)
            body += raw
            end = part.get("end")
        return header, body

    def call(self, body=b"", **changes):
        self.start(body, **changes)
        return self.finish()

    def result(self, body=b"", **changes):
        header, raw = self.call(body, **changes)
        assert "error" not in header, header
        return json.loads(raw)

    def error(self, body=b"", **changes):
        header, _ = self.call(body, **changes)
        return header["error"]

    def closed(self):
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True


class Worker:
    """A shim process and the links it has dialled."""

    def __init__(self, deps):
        tools()
        self.directory = tempfile.mkdtemp(dir=WORK)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.directory, "sock"))
        self.listener.listen(16)
        self.listener.settimeout(PATIENCE)
        self.process = subprocess.Popen([SHIM], stderr=subprocess.PIPE, env={
            "PATH": os.environ["PATH"], "HOB_TOKEN": "secret", "HOB_DEPS": deps,
            "HOB_DIAL": "unix:%s/sock" % self.directory})
        self.waiting = []
        self.links = []
        self.control = self.link("control")

    def link(self, role, slot=None):
        """The connection of this role, dialled already or next."""
        while True:
            for link in self.waiting:
                if link.hello["role"] == role and (slot is None or link.hello["slot"] == slot):
                    self.waiting.remove(link)
                    return link
            sock, _ = self.listener.accept()
            sock.settimeout(PATIENCE)
            link = Link(sock)
            self.links.append(link)
            link.hello = link.expect(HELLO)[0]
            self.waiting.append(link)

    def exited(self):
        return self.control.expect(EXITED)[0]

    def end(self):
        """Hangs up and waits. (exit code, what it said on its real stderr)"""
        self.control.sock.close()
        _, stderr = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, stderr.decode()

    def close(self):
        if self.process.returncode is None:
            try:
                self.end()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stderr.close()
        for each in [self.listener] + [link.sock for link in self.links]:
            each.close()


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
