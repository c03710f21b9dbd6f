"""Everything printed in a slot, on its way to the daemon. Does not decide what belongs to a call:
what is printed between `begin` and `end` does, the rest is dropped.

Two ways in. `sys.stdout` and `sys.stderr` are replaced and send a frame at each newline. File
descriptors 1 and 2 are pipes, for sub-processes and C code; a thread that sleeps while they are
silent reads them. One lock makes the two take turns, so order is kept as far as it can be known.
"""

import _thread
import io
import os
import select
import sys

from . import frames

_HEADERS = (b'{"stream":"stdout"}', b'{"stream":"stderr"}')


class Output:
    """Both streams of this process. Holds at most one unfinished line of 64 KiB of each."""

    def __init__(self, connection):
        self._connection = connection
        self.lock = _thread.RLock()
        self._active = False
        self._room = 0  # bytes that may still be sent for this call
        self._limit = 0
        self._dropped = 0
        self._pending = (bytearray(), bytearray())
        self._sending = False
        self._late = []  # written by a signal handler while a frame was half sent
        self.in_child = False  # whether this is a fork of the slot, which must not speak for it
        self._readers = {}  # fd -> index of the stream
        self._poller = select.poll()

    def capture(self):
        """Takes over file descriptors 1 and 2 and both of Python's streams."""
        for index in (0, 1):
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            os.dup2(writer, index + 1)
            os.close(writer)
            self._readers[reader] = index
            self._poller.register(reader, select.POLLIN)
        sys.stdout = sys.__stdout__ = TextStream(self, 0)
        sys.stderr = sys.__stderr__ = TextStream(self, 1)
        os.register_at_fork(after_in_child=self._forked)
        _thread.start_new_thread(self._pump, ())

    def begin(self, limit):
        """From here on output belongs to a call, at most `limit` bytes of it.

        The pipes are not looked at: what came while no call ran, the pump has read. What a process that outlived its
        call prints in this very moment counts as this call's, as it would a moment later.
        """
        with self.lock:
            self._active = True
            self._room = self._limit = limit
            self._dropped = 0

    def end(self):
        """Sends what is left, says what was dropped. From here on output belongs to nobody."""
        with self.lock:
            for index in (0, 1):
                self.flush(index)
            self._drain()
            if self._dropped:
                self._say_cut()
            self._active = False

    def _say_cut(self):
        text = (
            "[hob: the log was cut here: its limit of %d bytes was reached and %d more bytes were"
            " dropped; print less, or raise the log limit]\n" % (self._limit, self._dropped)
        )
        header = b'{"stream":"stderr","cut":%d}' % self._dropped
        self._connection.send(frames.LOG, header, text.encode())

    # What Python code writes.

    def write_text(self, index, text):
        """Writes a string in pieces, so that a huge one is never copied whole."""
        with self.lock:
            if len(text) <= frames.CHUNK:
                self.write(index, text.encode("utf-8", "backslashreplace"))
                return
            for at in range(0, len(text), frames.CHUNK):
                piece = text[at:at + frames.CHUNK]
                self.write(index, piece.encode("utf-8", "backslashreplace"))

    def write(self, index, data):
        """Keeps an unfinished line, sends what is finished."""
        with self.lock:
            if self.in_child:
                _write_all(index + 1, data)
            elif not self._active:
                pass
            elif self._room <= 0:
                self._dropped += len(data)
            else:
                self._write(index, data)

    def _write(self, index, data):
        pending = self._pending[index]
        cut = data.rfind(b"\n") + 1
        if len(pending) + len(data) - cut > frames.CHUNK:
            cut = len(data)
        elif not cut:
            pending += data
            return
        ready = bytes(pending) + data[:cut]
        pending[:] = data[cut:]
        self._drain()
        self._emit(index, ready)

    def flush(self, index):
        """Sends the unfinished line."""
        with self.lock:
            pending = self._pending[index]
            if pending:
                ready = bytes(pending)
                pending.clear()
                self._drain()  # a sub-process that has ended since has written before this
                self._emit(index, ready)

    # What arrives through the pipes.

    def _pump(self):
        poller = select.poll()
        for reader in self._readers:
            poller.register(reader, select.POLLIN)
        while self._readers:
            ready = poller.poll(None)
            with self.lock:
                self._drain()
                for reader, _ in ready:
                    if reader not in self._readers:
                        poller.unregister(reader)

    def _drain(self):
        """Reads what the pipes hold now (they hold 64 KiB at most), without waiting for more."""
        for reader, _ in self._poller.poll(0):
            try:
                data = os.read(reader, frames.CHUNK)
            except BlockingIOError:
                continue
            if data:
                self._emit(self._readers[reader], data)
            else:  # the function closed its descriptor; an end of file would wake us for ever
                self._poller.unregister(reader)
                del self._readers[reader]

    def _emit(self, index, data):
        """Sends bytes as log frames, up to the limit."""
        if not self._active:
            return
        if self._sending:
            self._late.append((index, data))
            return
        if len(data) > self._room:
            kept = _whole_characters(data, self._room)
            self._dropped += len(data) - len(kept)
            self._room = 0
            data = kept
        else:
            self._room -= len(data)
        self._sending = True
        try:
            for at in range(0, len(data), frames.CHUNK):
                self._connection.send(frames.LOG, _HEADERS[index], data[at:at + frames.CHUNK])
        except OSError:  # the daemon has hung up; raising this inside a print() helps nobody
            os._exit(0)
        finally:
            self._sending = False
        while self._late:
            self._emit(*self._late.pop(0))

    # A child made by os.fork, multiprocessing included.

    def _forked(self):
        """The connection stays the parent's; the child's output takes the way of a sub-process."""
        self.lock = _thread.RLock()
        self.in_child = True
        self._active = self._sending = False
        for pending in self._pending:
            pending.clear()
        for reader in self._readers:
            os.close(reader)
        self._readers = {}
        self._poller = select.poll()
        self._connection.close()


class TextStream(io.TextIOBase):
    """What user code sees as sys.stdout or sys.stderr."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    line_buffering = True
    mode = "w"

    def __init__(self, output, index):
        self._output = output
        self._index = index
        self.name = ("<stdout>", "<stderr>")[index]
        self.buffer = ByteStream(output, index)

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        self._output.write_text(self._index, text)
        return len(text)

    def flush(self):
        self._output.flush(self._index)

    def fileno(self):
        return self._index + 1

    def writable(self):
        return True

    def close(self):
        """Flushes only: whoever prints next would be surprised."""
        self.flush()

    def reconfigure(self, **_):
        """Accepted and ignored: the encoding is UTF-8, always."""


class ByteStream(io.BufferedIOBase):
    """What user code sees as sys.stdout.buffer."""

    mode = "wb"

    def __init__(self, output, index):
        self._output = output
        self._index = index
        self.name = ("<stdout>", "<stderr>")[index]

    def write(self, data):
        data = bytes(data)
        self._output.write(self._index, data)
        return len(data)

    def flush(self):
        self._output.flush(self._index)

    def fileno(self):
        return self._index + 1

    def writable(self):
        return True

    def close(self):
        """As the text stream: flushes only."""
        self.flush()


def _whole_characters(data, size):
    """The first `size` bytes of UTF-8, less a character that would be cut in two."""
    end = size
    while end > max(0, size - 4) and data[end] & 0xC0 == 0x80:
        end -= 1
    return data[:end] if data[end] & 0xC0 != 0x80 else data[:size]


def _write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]
