"""A server of a user's own for the suites: what it does, its path says. Listens on $PORT."""

import http.server
import json
import os
import socketserver
import sys
import time

kept = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else self.chunks()
        action = self.path.split("?")[0].strip("/").split("/")[0]
        getattr(self, "on_" + action, self.on_echo)(body)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def chunks(self):
        body = b""
        while self.headers.get("transfer-encoding") == "chunked":
            size = int(self.rfile.readline(), 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                break
        return body

    def answer(self, body, status=200, kind="text/plain", more=()):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in more:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def on_echo(self, body):
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        seen = {"method": self.command, "target": self.path, "headers": headers, "size": len(body)}
        seen["body"] = body[:100].decode(errors="replace")
        seen["pid"] = os.getpid()
        seen["peer"] = self.client_address[1]
        self.answer(json.dumps(seen).encode(), kind="application/json")

    def on_status(self, body):
        more = [("x-mine", "yes"), ("keep-alive", "timeout=5"), ("x-two", "1"), ("x-two", "2")]
        self.answer(b"a pot of tea", 418, more=more)

    def on_print(self, body):
        asked = json.loads(body)
        for stream, word in [(sys.stdout, "printed"), (sys.stderr, "complained")]:
            stream.write(f"{word} {asked['say']}\n")
            stream.flush()
        self.wait_for(asked["gate"])
        self.answer(b"ok")

    def on_flood(self, body):
        for number in range(40000):
            print(f"line {number:06} " + "." * 60)
        sys.stdout.flush()
        self.answer(b"ok")

    def on_stream(self, body):
        gate = json.loads(body)["gate"]
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.chunk(b"first\n")
        self.wait_for(gate)
        self.chunk(b"second\n")
        self.chunk(b"")

    def wait_for(self, gate):
        while not os.path.exists(gate):
            time.sleep(0.005)

    def chunk(self, piece):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()

    def on_large(self, body):
        self.answer(b"x" * (3 << 20))

    def on_hang(self, body):
        print("hanging", flush=True)
        time.sleep(2.5)
        print("still hanging", flush=True)
        time.sleep(600)

    def on_wait(self, body):
        asked = json.loads(body)
        open(asked["begun"], "w").close()
        self.wait_for(asked["gate"])
        self.answer(b"waited")

    def on_exit(self, body):
        print("leaving", flush=True)
        os._exit(int(body))

    def on_close(self, body):
        self.close_connection = True

    def on_nonsense(self, body):
        self.wfile.write(b"this is not HTTP\r\n\r\n")
        self.close_connection = True

    def on_memory(self, body):
        kept.extend(b"x" * (1 << 20) for _ in range(int(body)))
        self.answer(b"kept")

    def on_spin(self, body):
        before, end = time.process_time(), time.monotonic() + float(body)
        while time.monotonic() < end:
            pass
        self.answer(json.dumps(time.process_time() - before).encode())

    def on_run(self, body):
        names = {"os": os, "r": None}
        try:
            exec(body.decode(), names)
            result = names["r"]
        except BaseException as error:
            result = type(error).__name__
        self.answer(json.dumps(result).encode(), kind="application/json")

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    print("coming up", flush=True)
    Server((os.environ.get("HOST", "0.0.0.0"), int(os.environ["PORT"])), Handler).serve_forever()
