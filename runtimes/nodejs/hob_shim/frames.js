'use strict';

// The wire: frames over one connection to the daemon. Knows nothing of what they mean.
//
// Reading is the event loop's work, writing is not: a frame is one `write` on the descriptor, at once, so that what
// is printed by a function that never returns is seen, and so that another thread may write between two frames.

const fs = require('fs');
const net = require('net');

const TYPES = {
  HELLO: 1, LOAD: 2, LOADED: 3, INVOKE: 4, BODY: 5, REPLY: 6, LOG: 7, CANCEL: 8, PING: 9, PONG: 10, SLOTS: 11, EXITED: 12,
};
const PROTOCOL = 1;
const CHUNK = 64 * 1024; // bytes of a body in one frame
const LARGEST = 2 * 1024 * 1024; // bytes after the prefix
const PREFIX = 9;
const BUFFER = CHUNK + 16 * 1024; // a full chunk and its header arrive in one read
const NOTHING = Buffer.alloc(0);

class ProtocolError extends Error {}

/** What `HOB_DIAL` says, as options of `net.connect`. Throws when it says neither `unix:PATH` nor `tcp:HOST:PORT`. */
function parseAddress(text) {
  const unix = /^unix:(.+)$/.exec(text);
  if (unix) return { path: unix[1] };
  const tcp = /^tcp:(.+):(\d+)$/.exec(text);
  if (tcp) return { host: tcp[1].replace(/^\[|\]$/g, ''), port: Number(tcp[2]) };
  throw new Error(`HOB_DIAL is \`${text}\`; it must be unix:PATH or tcp:HOST:PORT`);
}

/**
 * Dials. `on.frame(type, header, raw)` is called for each frame, `on.end()` once at the end of the connection, and
 * `on.fault(error)` once instead when what comes is no frame. Rejects when nobody answers.
 */
function dial(address, on) {
  return new Promise((resolve, reject) => {
    const reader = new Reader(on);
    const socket = net.connect({
      ...parseAddress(address),
      onread: { buffer: Buffer.allocUnsafe(BUFFER), callback: (size, buffer) => reader.take(buffer.subarray(0, size)) },
    });
    socket.setNoDelay(true);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('error', () => {}); // `close` follows and says enough
      socket.once('close', () => on.end());
      resolve(new Connection(socket, on));
    });
  });
}

/** The side of a connection that is written to. */
class Connection {
  constructor(socket, on) {
    this._on = on;
    this.fd = socket._handle.fd; // there is no public name for it
  }

  /** Sends one frame. `header` is an object, or the text of one; `raw` is a Buffer. Blocks until the kernel has it. */
  send(type, header, raw = NOTHING) {
    try {
      writeFrame(this.fd, type, typeof header === 'string' ? header : JSON.stringify(header), raw);
    } catch (error) {
      if (!isHangUp(error)) throw error;
      this._on.end();
    }
  }
}

const isHangUp = (error) => error.code === 'EPIPE' || error.code === 'ECONNRESET' || error.code === 'EBADF';

const small = Buffer.allocUnsafe(BUFFER);

/** Writes one frame to a descriptor. `raw` is a Buffer or a string. */
function writeFrame(fd, type, header, raw) {
  const most = PREFIX + mostBytes(header) + mostBytes(raw);
  const frame = most <= BUFFER ? small : Buffer.allocUnsafe(most);
  const middle = PREFIX + frame.write(header, PREFIX);
  const end = middle + (typeof raw === 'string' ? frame.write(raw, middle) : raw.copy(frame, middle));
  frame.writeUInt32BE(end - PREFIX, 0);
  frame[4] = type;
  frame.writeUInt32BE(middle - PREFIX, 5);
  writeAll(fd, frame, end);
}

const mostBytes = (data) => (typeof data === 'string' ? data.length * 3 : data.length); // UTF-8

const clock = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps without the event loop. Milliseconds. */
const pause = (ms) => Atomics.wait(clock, 0, 0, ms);

/** The descriptor does not block; when the daemon is slow to read, we sleep. */
function writeAll(fd, data, end) {
  let at = 0;
  while (at < end) {
    try {
      at += fs.writeSync(fd, data, at, end - at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      pause(1);
    }
  }
}

/** Cuts what arrives into frames. */
class Reader {
  constructor(on) {
    this._on = on;
    this._kept = Buffer.allocUnsafe(BUFFER); // the beginning of a frame whose end has not come
    this._size = 0;
    this._broken = false;
  }

  /** Takes a piece of the stream, which is the caller's again afterwards. Returns true: go on reading. */
  take(piece) {
    if (this._broken) return true;
    try {
      this._cut(piece);
    } catch (error) {
      this._broken = true;
      this._on.fault(error);
    }
    return true;
  }

  _cut(piece) {
    let data = piece;
    if (this._size > 0) {
      this._keep(piece);
      data = this._kept.subarray(0, this._size);
    }
    let at = 0;
    for (let end = frameEnd(data, at); end > 0; end = frameEnd(data, at)) {
      const start = at;
      at = end;
      const middle = start + PREFIX + data.readUInt32BE(start + 5);
      const raw = end > middle ? Buffer.from(data.subarray(middle, end)) : NOTHING;
      this._on.frame(data[start + 4], parseHeader(data, start + PREFIX, middle), raw);
    }
    this._rest(data.subarray(at));
  }

  _keep(piece) {
    const size = this._size + piece.length;
    if (size > this._kept.length) {
      const larger = Buffer.allocUnsafe(Math.max(size, 2 * this._kept.length));
      this._kept.copy(larger, 0, 0, this._size);
      this._kept = larger;
    }
    piece.copy(this._kept, this._size);
    this._size = size;
  }

  _rest(data) {
    if (data.length === 0 && this._kept.length > BUFFER) this._kept = Buffer.allocUnsafe(BUFFER);
    if (data.length > 0 && data.length !== this._size) {
      this._size = 0;
      this._keep(data);
    }
    this._size = data.length;
  }
}

/** Where the frame that begins at `at` ends, or 0 when not all of it is there. */
function frameEnd(data, at) {
  const have = data.length - at;
  if (have < PREFIX) return 0;
  const size = data.readUInt32BE(at);
  const header = data.readUInt32BE(at + 5);
  if (size > LARGEST) throw new ProtocolError(`a frame of ${size} bytes; the largest allowed is ${LARGEST}`);
  if (header > size) throw new ProtocolError(`a header of ${header} bytes in a frame of ${size}`);
  return have < PREFIX + size ? 0 : at + PREFIX + size;
}

function parseHeader(data, start, end) {
  if (start === end) return {};
  let header;
  try {
    header = JSON.parse(data.toString('utf8', start, end));
  } catch {
    throw new ProtocolError('a frame header that is not JSON');
  }
  if (header === null || typeof header !== 'object' || Array.isArray(header)) {
    throw new ProtocolError('a frame header that is not one JSON object');
  }
  return header;
}

module.exports = { ...TYPES, PROTOCOL, CHUNK, NOTHING, ProtocolError, Reader, dial, isHangUp, pause, writeFrame };
