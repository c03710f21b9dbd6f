"""The daemon, played over a real Unix socket against a shim as a plain process. Never sleeps: it
waits for frames, and each wait has a limit. Needs Linux; needs no container.

Knows no language: each runtime's tests/worker.py says how its shim is started.
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
PATIENCE = 15  # seconds
CHUNK = 64 * 1024


class Link:
    """One connection, seen from the daemon."""

    LOAD = {"revision": "r1", "entry": "main.main", "convention": "kwargs", "env": {},
            "timeout_ms": 10000, "log_limit": 1 << 20,
            "function": {"name": "f", "namespace": "n", "version": 0, "memory_mib": 256}}
    INVOKE = {"id": "e1", "timeout_ms": 10000, "method": "POST", "path": "/", "query": "", "headers": [],
              "stream": False, "log_limit": 1 << 20}

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
        self.logs = []
        self.send(LOAD, {**self.LOAD, "path": path, **changes})
        return self.expect(LOADED)[0]

    def start(self, body=b"", **changes):
        self.logs = []
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send(INVOKE, {**self.INVOKE, **changes}, body)

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

    link_kind = Link
    patience = PATIENCE
    source = "main"  # what a lone source file is called

    def __init__(self, directory, command, **env):
        self.directory = directory
        self.code = os.path.join(directory, "code")
        os.mkdir(self.code)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(directory, "sock"))
        self.listener.listen(16)
        self.listener.settimeout(self.patience)
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOB_TOKEN": "secret", "HOB_DIAL": "unix:%s/sock" % directory, **env})
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
            sock.settimeout(self.patience)
            link = self.link_kind(sock)
            self.links.append(link)
            link.hello = link.expect(HELLO)[0]
            self.waiting.append(link)

    def write(self, source, name=None, below=None):
        path = os.path.join(below or self.code, name or self.source)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(textwrap.dedent(source))

    def exited(self):
        return self.control.expect(EXITED)[0]

    def end(self):
        """Hangs up and waits. (exit code, what it said on its real stderr)"""
        self.control.sock.close()
        _, stderr = self.process.communicate(timeout=self.patience)
        return self.process.returncode, stderr.decode()

    def close(self):
        if self.process.returncode is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.end()
        if self.process.returncode is None:
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


class ShimTest(unittest.TestCase):
    """One worker, and its first slot before it is loaded."""

    def setUp(self):
        directory = tempfile.mkdtemp(prefix="hob-shim-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        self.worker = self.start(directory)
        self.addCleanup(self.worker.close)
        self.slot = self.worker.link("slot", 0)

    def start(self, directory):
        """The worker: a runtime's own tests say which."""
        raise NotImplementedError

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
