'use strict';

// The daemon's side of the worker contract, as far as one function of one worker needs it: loads each slot as it
// comes, hands idle ones out in turn, and says how they ended. Knows no HTTP.

const frames = require('./frames');

const GRACE_MS = 2000; // after a deadline that the slot should have kept itself
const ENDS = {
  timeout: 'the function did not answer in time; let it do less, or raise HOB_TIMEOUT_MS',
  out_of_memory: 'the function needs more memory than the container has; raise its limit',
  cancelled: 'the call was ended',
};

class Worker {
  constructor(settings, mostWaiting) {
    this._settings = settings;
    this._mostWaiting = mostWaiting;
    this._control = null;
    this._slots = new Map(); // by number
    this._idle = [];
    this._waiting = []; // {resolve, reject}
    this._loadError = null;
  }

  /** Takes a connection of the shim. */
  accept(socket) {
    const link = { socket, onFrame: null, onEnd: () => {} };
    const reader = new frames.Reader({
      frame: (type, header, raw) => (link.onFrame ?? this._greet(link)).call(this, type, header, raw),
      fault: () => socket.destroy(),
    });
    socket.on('data', (data) => reader.take(data));
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => link.onEnd());
  }

  _greet(link) {
    return (_type, header) => {
      if (header.role === 'control') this._takeControl(link);
      else this._takeSlot(link, header.slot);
    };
  }

  _takeControl(link) {
    this._control = link;
    link.onFrame = (type, header) => {
      if (type === frames.EXITED) this._slots.get(header.slot)?.ended(header);
      if (header.cause === 'out_of_memory') this._resize(); // else nobody would take its place
    };
    this._resize();
  }

  _resize() {
    send(this._control, frames.SLOTS, { count: this._settings.slots });
  }

  _takeSlot(link, number) {
    const slot = new Slot(link, number, this);
    this._slots.set(number, slot);
    link.onFrame = (type, header, raw) => slot.onFrame(type, header, raw);
    link.onEnd = () => { this._idle = this._idle.filter((each) => each !== slot); };
    send(link, frames.LOAD, this._settings.load);
  }

  /** Resolves to an idle slot. Rejects when the code cannot be loaded, or when too many wait already. */
  acquire() {
    if (this._loadError) return Promise.reject(this._loadError);
    const idle = this._idle.shift();
    if (idle) return Promise.resolve(idle);
    if (this._waiting.length >= this._mostWaiting) {
      const error = { status: 429, kind: 'busy', message: `${this._mostWaiting} calls wait already; try again later` };
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => this._waiting.push({ resolve, reject }));
  }

  ready(slot) {
    const next = this._waiting.shift();
    if (next) next.resolve(slot);
    else this._idle.push(slot);
  }

  /** It would fail in the next slot too: whoever waits is told, and whoever comes. */
  cannotLoad(error) {
    this._loadError = error;
    process.stderr.write(`${error.message}\n${error.traceback}`);
    this._waiting.splice(0).forEach(({ reject }) => reject(error));
  }

  cancel(number) {
    send(this._control, frames.CANCEL, { slot: number });
  }
}

/** One slot, seen from the daemon. */
class Slot {
  constructor(link, number, worker) {
    this._link = link;
    this._number = number;
    this._worker = worker;
    this._reply = null; // where the call in flight is answered
    this._timer = null;
  }

  onFrame(type, header, raw) {
    if (type === frames.LOG) (header.stream === 'stderr' ? process.stderr : process.stdout).write(raw);
    else if (type === frames.LOADED && header.ok) this._worker.ready(this);
    else if (type === frames.LOADED) this._worker.cannotLoad(header.error);
    else if (type === frames.REPLY) this._onReply(header, raw);
    else if (type === frames.BODY) this._onBody(header, raw);
  }

  /** `body` is a Readable; `reply` has start, part, end and fail. */
  async call(header, body, reply) {
    this._reply = reply;
    this._timer = setTimeout(() => this._worker.cancel(this._number), header.timeout_ms + GRACE_MS);
    try {
      await this._send(header, body);
    } catch {
      this.abandon(); // the caller has gone in the middle of its body
    }
  }

  /** One frame when all of the body fits, else an invoke without a part of it and body frames. */
  async _send(header, body) {
    let parts = [];
    let size = 0;
    let isStreaming = false;
    for await (const part of body) {
      parts.push(part);
      size += part.length;
      if (size <= frames.CHUNK) continue;
      if (!isStreaming) send(this._link, frames.INVOKE, { ...header, stream: true });
      isStreaming = true;
      await this._sendParts(Buffer.concat(parts));
      parts = [];
      size = 0;
    }
    const rest = Buffer.concat(parts);
    if (isStreaming) send(this._link, frames.BODY, { end: true }, rest);
    else send(this._link, frames.INVOKE, { ...header, stream: false }, rest);
  }

  async _sendParts(data) {
    for (let at = 0; at < data.length; at += frames.CHUNK) {
      send(this._link, frames.BODY, {}, data.subarray(at, at + frames.CHUNK));
    }
    const { socket } = this._link;
    if (socket.writableNeedDrain) {
      await new Promise((resolve) => { socket.once('drain', resolve).once('close', resolve); });
    }
  }

  /** The caller does not want an answer any more. */
  abandon() {
    if (this._reply) this._worker.cancel(this._number);
  }

  _onReply(header, raw) {
    if (header.error) this._reply?.fail(header.error);
    else this._reply?.start(header, raw);
    if (!header.stream) this._done();
  }

  _onBody(header, raw) {
    if (raw.length > 0) this._reply?.part(raw);
    if (!header.end) return;
    this._reply?.end();
    this._done();
  }

  _done() {
    clearTimeout(this._timer);
    this._reply = null;
    this._worker.ready(this);
  }

  /** Its process is gone; another one will dial. */
  ended({ cause, code, signal }) {
    clearTimeout(this._timer);
    const message = ENDS[cause] ?? `the function's process ended (${signal ?? `exit code ${code}`}); a new one takes its place`;
    this._reply?.fail({ kind: cause, type: signal ?? cause, message });
    this._reply = null;
  }
}

function send(link, type, header, raw = frames.NOTHING) {
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(9);
  prefix.writeUInt32BE(text.length + raw.length, 0);
  prefix[4] = type;
  prefix.writeUInt32BE(text.length, 5);
  link.socket.write(Buffer.concat([prefix, text, raw]));
}

module.exports = { Worker };
