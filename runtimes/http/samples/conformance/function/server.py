"""What the conformance suite asks of a server: what to do is the last part of the path."""

import http.server
import os
import subprocess
import time
import urllib.parse

RELEASED = "/tmp/released"
# What is printed takes its own way: it is counted to the call if it comes before the answer.
ON_ITS_WAY = 0.3


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer goes in one piece: in two, the second would wait for the first to be acknowledged.
    wbufsize = -1

    def do_HEAD(self):
        self.answer(b"")

    def do_POST(self):
        url = urllib.parse.urlsplit(self.path)
        fields = urllib.parse.parse_qs(url.query)
        self.n = int(fields.get("n", ["0"])[0])
        self.body = self.read()
        getattr(self, "on_" + url.path.rpartition("/")[2])()

    def read(self):
        if "content-length" in self.headers:
            return self.rfile.read(int(self.headers["content-length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, body, status=200, kind="application/octet-stream", more=()):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in more:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def on_echo(self):
        self.answer(self.body)

    def on_headers(self):
        question = self.headers["x-question"]
        self.answer(b"told", 201, "text/x-told", [("x-answer", question)])

    def on_say(self):
        print(self.body.decode())
        time.sleep(ON_ITS_WAY)
        self.answer(self.body)

    def on_child(self):
        print("from the function")
        subprocess.run(["sh", "-c", "echo from a child; echo and its errors >&2"], check=True)
        time.sleep(ON_ITS_WAY)
        self.answer(b"")

    def on_stream(self):
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.chunk(b"first\n")
        wait_for(lambda: os.path.exists(RELEASED))
        self.chunk(b"last\n")
        self.chunk(b"")

    def chunk(self, piece):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()

    def on_release(self):
        open(RELEASED, "w").close()
        self.answer(b"")

    def on_meet(self):
        """Waits for two others: answers only if three calls are let in at the same time."""
        open("/tmp/met-%d" % self.n, "w").close()
        wait_for(lambda: sum(name.startswith("met-") for name in os.listdir("/tmp")) >= 3)
        self.answer(b"")

    def on_exit(self):
        os._exit(3)

    def on_hang(self):
        while True:
            time.sleep(1)

    def on_memory(self):
        kept = []
        while True:
            kept.append(bytearray(b"x") * (8 << 20))

    def log_message(self, *_):
        pass


def wait_for(condition):
    while not condition():
        time.sleep(0.005)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
