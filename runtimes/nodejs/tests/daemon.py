"""The daemon as the tests play it: connections over a real Unix socket, and a shim as a plain process.
Never sleeps: it waits for frames, and each wait has a limit.
"""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import textwrap
import unittest

HELLO, LOAD, LOADED, INVOKE, BODY, REPLY, LOG, CANCEL, PING, PONG, SLOTS, EXITED = range(1, 13)
SHIM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "shim.js")
PATIENCE = 15  # seconds
CHUNK = 64 * 1024


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
        header = {"revision": "r1", "path": path, "entry": "main.main", "convention": "kwargs", "env": {},
                  "timeout_ms": 10000, "log_limit": 1 << 20,
                  "function": {"name": "f", "namespace": "n", "version": 0, "memory_mib": 256}}
        header.update(changes)
        self.logs = []
        self.send(LOAD, header)
        return self.expect(LOADED)[0]

    def start(self, body=b"", **changes):
        header = {"id": "e1", "timeout_ms": 10000, "method": "POST", "path": "/", "query": "", "headers": [],
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

    def __init__(self, directory, command=("node", SHIM), **env):
        self.directory = directory
        self.code = os.path.join(directory, "code")
        os.mkdir(self.code)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(directory, "sock"))
        self.listener.listen(16)
        self.listener.settimeout(PATIENCE)
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOB_TOKEN": "secret", "HOB_DIAL": "unix:%s/sock" % directory,
                 "TMPDIR": directory, **env})
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

    def write(self, source, name="main.js"):
        path = os.path.join(self.code, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(textwrap.dedent(source))

    def exited(self):
        return self.control.expect(EXITED)[0]

    def end(self):
        """Hangs up and waits. (exit code, what it said on its real stderr)"""
        self.control.sock.close()
        _, stderr = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, stderr.decode()


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


class ShimTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.mkdtemp(prefix="hob-shim-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        self.worker = self.start(directory)
        self.addCleanup(self.close)
        self.slot = self.worker.link("slot", 0)

    def start(self, directory):
        """The worker; another kind of test starts another kind."""
        return Worker(directory)

    def close(self):
        process = self.worker.process
        if process.returncode is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.worker.end()
        if process.returncode is None:
            process.kill()
            process.wait()
        process.stderr.close()
        for each in [self.worker.listener] + [link.sock for link in self.worker.links]:
            each.close()

    def loaded(self, source, **changes):
        """The slot, with this code in it."""
        self.worker.write(source)
        answer = self.slot.load(self.worker.code, **changes)
        self.assertTrue(answer["ok"], answer)
        return self.slot

    def refused(self, source=None, **changes):
        """The error that loading this code ends in."""
        if source is not None:
            self.worker.write(source)
        answer = self.slot.load(self.worker.code, **changes)
        self.assertFalse(answer["ok"])
        self.assertEqual(answer["error"]["kind"], "load")
        return answer["error"]

    def dies(self, source, body=b"", **changes):
        """How the supervisor reports the end of a slot that this code kills; a new one has come."""
        slot = self.loaded(source)
        slot.start(body, **changes)
        with self.assertRaises((EOFError, ConnectionResetError)):
            slot.finish()
        report = self.worker.exited()
        self.slot.sock.close()
        self.slot = self.worker.link("slot", report["slot"])
        self.assertEqual(self.slot.hello["slot"], 0)
        return report
