"""Speaks as much of Postgres's protocol as the example's function needs, and counts rows in memory."""

import socketserver
import struct

rows = 0


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


READY = message(b"Z", b"I")
WANTS_TLS = 80877103


def answer(sql):
    global rows
    if sql.startswith("insert"):
        rows += 1
    if not sql.startswith("select"):
        return message(b"C", text("DONE"))
    column = text("count") + struct.pack("!ihihih", 0, 0, 20, 8, -1, 0)
    value = str(rows).encode()
    row = struct.pack("!hi", 1, len(value)) + value
    return message(b"T", struct.pack("!h", 1) + column) + message(b"D", row) + message(b"C", text("SELECT 1"))


class Session(socketserver.StreamRequestHandler):
    def start(self):
        """What a session begins with: the version that is spoken, or a wish."""
        head = self.rfile.read(8)
        if len(head) < 8:
            return None
        length, what = struct.unpack("!ii", head)
        self.rfile.read(length - 8)
        return what

    def handle(self):
        if not (start := self.start()):
            return  # a look whether somebody listens
        if start == WANTS_TLS:
            self.wfile.write(b"N")
            self.start()
        self.wfile.write(message(b"R", struct.pack("!i", 0)) + READY)
        while self.rfile.read(1) == b"Q":
            length = struct.unpack("!i", self.rfile.read(4))[0] - 4
            sql = self.rfile.read(length).rstrip(b"\0").decode()
            self.wfile.write(answer(sql) + READY)


if __name__ == "__main__":
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer(("0.0.0.0", 5432), Session).serve_forever()
