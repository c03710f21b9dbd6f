"""The wire: frames over one connection to the daemon. Knows nothing of what they mean.

`_socket` and not `socket`: the latter costs 4 ms and half a megabyte and adds nothing we use.
"""

import _socket
import json
import select
import struct

(HELLO, LOAD, LOADED, INVOKE, BODY, REPLY, LOG, CANCEL, PING, PONG, SLOTS, EXITED) = range(1, 13)

PROTOCOL = 1
CHUNK = 64 * 1024  # bytes of a body in one frame
LARGEST = 2 * 1024 * 1024  # bytes after the prefix

_PREFIX = struct.Struct(">IBI")
_BUFFER = CHUNK + 16 * 1024  # a full chunk and its header arrive in one recv

_decoder = json.JSONDecoder()
_scan = _decoder.scan_once
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class ProtocolError(Exception):
    """The other side sent something that this version of the contract does not allow."""


def dial(address):
    """Connects to `unix:PATH` or `tcp:HOST:PORT`. Raises OSError or ValueError."""
    scheme, _, rest = address.partition(":")
    if scheme == "unix" and rest:
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        sock.connect(rest)
        return Connection(sock, _arrival_at(sock))
    host, _, port = rest.rpartition(":")
    if scheme == "tcp" and host:
        return Connection(_dial_tcp(host.strip("[]"), port))
    raise ValueError("HOB_DIAL is %r; it must be unix:PATH or tcp:HOST:PORT" % address)


def _arrival_at(sock):
    """A wait in poll and not in recv: on a Unix socket, who sleeps in recv is also woken, for nothing, whenever
    the other side has read what we sent, which is once for each call.
    """
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return poller.poll


def _dial_tcp(host, port):
    failure = OSError("no address for %s" % host)
    for family, kind, proto, _, where in _socket.getaddrinfo(host, port, 0, _socket.SOCK_STREAM):
        sock = _socket.socket(family, kind, proto)
        try:
            sock.connect(where)
        except OSError as error:
            failure = error
            sock.close()
            continue
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        return sock
    raise failure


class Connection:
    """Frames in and out of one stream socket, blocking."""

    __slots__ = ("_sock", "_arrival", "_buffer", "_view", "_start", "_end", "fileno", "close")

    def __init__(self, sock, arrival=None):
        """`arrival` waits until there is something to read; without it reading waits, as long as the socket's timeout."""
        self._sock = sock
        self._arrival = arrival
        self.fileno = sock.fileno
        self.close = sock.close
        self._room(_BUFFER)
        self._start = self._end = 0

    def _room(self, size):
        self._buffer = bytearray(size)
        self._view = memoryview(self._buffer)

    def send(self, kind, header, raw=b""):
        """Sends one frame. `header` is the bytes of a JSON object, or a dict."""
        if header.__class__ is dict:
            header = _encode(header).encode()
        self._sock.sendall(_PREFIX.pack(len(header) + len(raw), kind, len(header)) + header + raw)

    def receive(self):
        """Waits for one frame: (type, header, raw), or None when the other side has hung up."""
        while True:
            frame = self.buffered()
            if frame is not None:
                return frame
            if not self.fill():
                return None

    def fill(self):
        """Reads once from the socket. False when the other side has hung up."""
        if self._start == self._end:
            self._start = self._end = 0
        try:
            if self._arrival:
                self._arrival()
            n_read = self._sock.recv_into(self._view[self._end:])
        except ConnectionResetError:
            return False
        self._end += n_read
        return n_read > 0

    def buffered(self):
        """The next frame, if all of it has been read already. Makes room for it if not."""
        start = self._start
        have = self._end - start
        if have < 9:
            self._reserve(9)
            return None
        size, kind, header_size = _PREFIX.unpack_from(self._buffer, start)
        if size > LARGEST:
            raise ProtocolError("a frame of %d bytes; the largest allowed is %d" % (size, LARGEST))
        if header_size > size:
            raise ProtocolError("a header of %d bytes in a frame of %d" % (header_size, size))
        if have < 9 + size:
            self._reserve(9 + size)
            return None
        middle = start + 9 + header_size
        self._start = end = start + 9 + size
        header = _header(self._view[start + 9:middle])
        raw = bytes(self._view[middle:end]) if end > middle else b""
        if self._start == self._end and len(self._buffer) > _BUFFER:
            self._room(_BUFFER)
            self._start = self._end = 0
        return kind, header, raw

    def _reserve(self, size):
        """Moves what is there to the front when `size` bytes would not fit behind `start`."""
        if self._start + size <= len(self._buffer):
            return
        rest = bytes(self._view[self._start:self._end])
        if size > len(self._buffer):
            self._room(size)
        self._view[:len(rest)] = rest
        self._start, self._end = 0, len(rest)


def _header(view):
    if not view:
        return {}
    try:
        text = str(view, "utf-8")
        header, end = _scan(text, 0)
    except (ValueError, StopIteration, RecursionError):
        raise ProtocolError("a frame header that is not JSON") from None
    if end != len(text) or header.__class__ is not dict:
        raise ProtocolError("a frame header that is not one JSON object")
    return header
