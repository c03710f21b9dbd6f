"""The least a user could write by hand: an epoll loop that speaks HTTP/1.1 keep-alive and calls /app/main.py.

usage: http_worker.py [PROCESSES [CONNECTIONS_EACH]]

PROCESSES share the listening socket; each stops accepting at CONNECTIONS_EACH, so that load spreads evenly.
It deliberately has no routing, no limits, no timeouts, no records and no isolation: that is what Hob is compared with.
"""
import json
import os
import select
import socket
import sys

sys.path.insert(0, "/app")
import main  # noqa: E402  (found through the line above)

PORT = 8080
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"


def answer(body):
    result = json.dumps(main.main(**json.loads(body or b"{}"))).encode()
    return HEAD % (len(result), result)


def content_length(head):
    at = head.lower().find(b"\r\ncontent-length:")
    return int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def take_requests(data):
    """Splits `data` into complete request bodies and the bytes that remain."""
    bodies = []
    while True:
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            return bodies, data
        stop = end + content_length(data[: end - 2])
        if len(data) < stop:
            return bodies, data
        bodies.append(data[end:stop])
        data = data[stop:]


class Loop:
    def __init__(self, listener, connections_each):
        self.listener, self.room = listener, connections_each
        self.open, self.rest = {}, {}
        self.poll = select.epoll()
        self.poll.register(listener, select.EPOLLIN)

    def accept(self):
        try:
            connection, _ = self.listener.accept()
        except BlockingIOError:
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open[connection.fileno()] = connection
        self.rest[connection.fileno()] = b""
        self.poll.register(connection, select.EPOLLIN)
        if len(self.open) == self.room:
            self.poll.unregister(self.listener)

    def close(self, number):
        if len(self.open) == self.room:
            self.poll.register(self.listener, select.EPOLLIN)
        self.poll.unregister(number)
        del self.rest[number]
        self.open.pop(number).close()

    def serve(self, number):
        connection = self.open[number]
        try:
            data = connection.recv(65536)
            if not data:
                return self.close(number)
            bodies, self.rest[number] = take_requests(self.rest[number] + data)
            for body in bodies:
                connection.sendall(answer(body))
        except OSError:
            self.close(number)

    def run(self):
        listening = self.listener.fileno()
        while True:
            for number, _ in self.poll.poll():
                self.accept() if number == listening else self.serve(number)


def listen():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", PORT))
    listener.listen(512)
    listener.setblocking(False)
    return listener


if __name__ == "__main__":
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    each = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    shared = listen()
    for _ in range(processes - 1):
        if os.fork() == 0:
            break
    Loop(shared, each).run()
