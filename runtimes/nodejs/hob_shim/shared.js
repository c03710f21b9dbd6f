'use strict';

// What the two threads of a slot share: the right to write to the daemon, how much a call may still print, and
// when it has to end. Each thread makes its own Shared over the same memory.

const frames = require('./frames');

const LOCK = 0; // 0 free, 1 taken, 2 taken and waited for
const ACTIVE = 1; // whether output belongs to a call
const DEADLINE = 2; // milliseconds of the monotonic clock, the low 32 bits of them; 0: no call
const ANSWERED = 3; // up to which question the watcher has answered
const N_INTS = 4;
const ROOM = 0; // bytes that may still be sent for this call
const DROPPED = 1; // bytes beyond that
const N_FLOATS = 2;
const HEADERS = ['{"stream":"stdout"}', '{"stream":"stderr"}'];
const { hrtime } = process;

/** Milliseconds of the monotonic clock, the same for all threads. */
function now() {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

class Shared {
  /** `fd` is the connection to the daemon. */
  constructor(fd, memory = new SharedArrayBuffer(N_FLOATS * 8 + N_INTS * 4)) {
    this.fd = fd;
    this.memory = memory;
    this._floats = new Float64Array(memory, 0, N_FLOATS);
    this._ints = new Int32Array(memory, N_FLOATS * 8, N_INTS);
  }

  // Writing. Between `lock` and `unlock` no other thread writes.

  lock() {
    if (Atomics.compareExchange(this._ints, LOCK, 0, 1) === 0) return;
    while (Atomics.exchange(this._ints, LOCK, 2) !== 0) Atomics.wait(this._ints, LOCK, 2);
  }

  unlock() {
    if (Atomics.exchange(this._ints, LOCK, 0) === 2) Atomics.notify(this._ints, LOCK, 1);
  }

  /** Sends one frame. */
  send(type, header, raw = frames.NOTHING) {
    this.lock();
    try {
      frames.writeFrame(this.fd, type, header, raw);
    } finally {
      this.unlock();
    }
  }

  /** From here on output belongs to a call, at most `limit` bytes of it. */
  beginOutput(limit) {
    this.lock();
    this._floats[ROOM] = limit;
    this._floats[DROPPED] = 0;
    this._ints[ACTIVE] = 1;
    this.unlock();
  }

  /** From here on output belongs to nobody. How many bytes were dropped. */
  endOutput() {
    this.lock();
    this._ints[ACTIVE] = 0;
    const dropped = this._floats[DROPPED];
    this.unlock();
    return dropped;
  }

  /** Sends what was printed on stream 0 or 1, up to the limit. `data` is a Buffer. */
  print(stream, data) {
    this.lock();
    try {
      if (this._ints[ACTIVE] === 1) this._print(stream, this._upToLimit(data));
    } finally {
      this.unlock();
    }
  }

  _upToLimit(data) {
    const room = this._floats[ROOM];
    const kept = data.length <= room ? data : data.subarray(0, wholeCharacters(data, room));
    this._floats[ROOM] = kept === data ? room - data.length : 0;
    this._floats[DROPPED] += data.length - kept.length;
    return kept;
  }

  _print(stream, data) {
    for (let at = 0; at < data.length; at += frames.CHUNK) {
      frames.writeFrame(this.fd, frames.LOG, HEADERS[stream], data.subarray(at, at + frames.CHUNK));
    }
  }

  // The deadline.

  /** `deadline` as `now` counts. */
  arm(deadline) {
    Atomics.store(this._ints, DEADLINE, Math.ceil(deadline) | 0 || 1);
  }

  disarm() {
    Atomics.store(this._ints, DEADLINE, 0);
  }

  /** Milliseconds to the deadline, 0 or less when it has passed; Infinity without one. */
  timeLeft() {
    const deadline = Atomics.load(this._ints, DEADLINE);
    return deadline === 0 ? Infinity : (deadline - Math.floor(now())) | 0;
  }

  // Questions to the watcher, numbered.

  answer(number) {
    Atomics.store(this._ints, ANSWERED, number);
    Atomics.notify(this._ints, ANSWERED);
  }

  waitForAnswer(number) {
    for (;;) {
      const answered = Atomics.load(this._ints, ANSWERED);
      if (answered === number) return;
      Atomics.wait(this._ints, ANSWERED, answered);
    }
  }
}

/** At most `size` bytes of UTF-8, less a character that would be cut in two. */
function wholeCharacters(data, size) {
  let end = size;
  while (end > Math.max(0, size - 4) && (data[end] & 0xc0) === 0x80) end -= 1;
  return (data[end] & 0xc0) === 0x80 ? size : end;
}

module.exports = { Shared, now };
