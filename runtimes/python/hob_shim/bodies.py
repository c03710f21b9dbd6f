"""Bodies that come or go in pieces. Does not decide how long one may be: the daemon does."""

import os

from . import frames


class Request:
    """A request body on its way in. To be read to its end before the answer may begin: the daemon
    stops sending when it sees an answer."""

    def __init__(self, connection, first):
        self._connection = connection
        self._first = first
        self.fileno = connection.fileno
        self.ended = False

    def whole(self):
        """All of it, joined."""
        parts = []
        while not self.ended:
            parts.append(self.read())
        return b"".join(parts)

    def read(self):
        """Waits for the next piece. Only while not `ended`; the piece may be empty."""
        if self._first:
            first, self._first = self._first, b""
            return first
        return self._piece(self._connection.receive())

    def arrived(self):
        """The pieces that have come, after one read of the socket, which must be readable."""
        pieces = [self._first] if self._first else []
        self._first = b""
        if not self._connection.fill():
            os._exit(0)
        return pieces + self.buffered()

    def buffered(self):
        """The pieces that have been read from the socket already."""
        pieces = [self._first] if self._first else []
        self._first = b""
        while not self.ended:
            frame = self._connection.buffered()
            if frame is None:
                break
            pieces.append(self._piece(frame))
        return pieces

    def _piece(self, frame):
        if frame is None:  # the daemon has hung up, and nobody waits for an answer
            os._exit(0)
        kind, header, raw = frame
        if kind != frames.BODY:
            raise frames.ProtocolError("frame type %d inside a request body" % kind)
        self.ended = bool(header.get("end"))
        return raw


class Stream:
    """An answer in pieces. The first is there already, so that what fails before it is an ordinary
    failure of the call; `rest` is an iterator of bytes."""

    __slots__ = ("first", "rest")

    def __init__(self, first, rest):
        self.first = first
        self.rest = rest


def stream(pieces):
    """A Stream of these bytes, or no bytes at all when there is nothing in them."""
    for piece in pieces:
        if piece:
            return Stream(piece, pieces)
    return b""


def chunks(data):
    """A piece cut so that each part fits into a frame."""
    if len(data) <= frames.CHUNK:
        return (data,)
    view = memoryview(data)
    return (bytes(view[at:at + frames.CHUNK]) for at in range(0, len(data), frames.CHUNK))
