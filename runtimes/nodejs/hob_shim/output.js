'use strict';

// Everything printed in a slot, on its way to the daemon. Does not decide what belongs to a call: what is printed
// between `begin` and `end` does, the rest is dropped.
//
// Two ways in. `process.stdout` and `process.stderr` (hence `console`) are replaced and send a frame at each line's
// end. Descriptors 1 and 2 are pipes that the watcher reads; before anything that must come after what is in them,
// it is asked to empty them. To ask costs a change of threads, so first we look whether anything was written.

const fs = require('fs');
const { Writable } = require('stream');

const frames = require('./frames');

const NEWLINE = 10;
const TICK_MS = 20; // the kernel stamps files with a clock that ticks each 1 to 10 ms

class Output {
  /** `ask()` has the watcher empty the pipes; `pipes` are their reading ends. */
  constructor(shared, pipes, ask) {
    this._shared = shared;
    this._ask = ask;
    this._pipes = pipes.map((fd) => ({ fd, settled: NaN }));
    this._pending = [new Line(), new Line()];
    this._active = false;
    this._limit = 0;
  }

  /** Replaces the streams of this process. */
  capture() {
    ['stdout', 'stderr'].forEach((name, stream) => {
      const value = new OutputStream(this, stream);
      Object.defineProperty(process, name, { configurable: true, enumerable: true, writable: true, value });
    });
  }

  /** From here on output belongs to a call, at most `limit` bytes of it. */
  begin(limit) {
    this._limit = limit;
    this._active = true;
    this._shared.beginOutput(limit);
  }

  /** Sends what is left and says what was dropped. From here on output belongs to nobody. */
  end() {
    this._settle();
    this._pending.forEach((line, stream) => {
      if (line.size > 0) this._shared.print(stream, line.take());
    });
    this._active = false;
    const dropped = this._shared.endOutput();
    if (dropped > 0) this._sayCut(dropped);
  }

  _sayCut(dropped) {
    const text = `[hob: the log was cut here: its limit of ${this._limit} bytes was reached and ${dropped} more bytes`
      + ' were dropped; print less, or raise the log limit]\n';
    this._shared.send(frames.LOG, `{"stream":"stderr","cut":${dropped}}`, text);
  }

  /** Keeps an unfinished line, sends what is finished. */
  write(stream, data) {
    if (!this._active) return;
    const line = this._pending[stream];
    const cut = data.lastIndexOf(NEWLINE) + 1;
    if (line.size + data.length - cut > frames.CHUNK) this._print(stream, line.take(data));
    else if (cut === 0) line.add(data);
    else {
      this._print(stream, line.take(data.subarray(0, cut)));
      line.add(data.subarray(cut));
    }
  }

  _print(stream, data) {
    this._settle();
    this._shared.print(stream, data);
  }

  /** What was written to the pipes until now is sent when this returns. */
  _settle() {
    if (this._pipes.every(isSettled)) return;
    const asked = Date.now();
    const stamps = this._pipes.map(({ fd }) => fs.fstatSync(fd).mtimeMs);
    this._ask();
    this._pipes.forEach((pipe, index) => {
      // A write within the same tick would leave the same stamp: then ask again next time.
      pipe.settled = asked - stamps[index] > TICK_MS ? stamps[index] : NaN;
    });
  }
}

/** Whether nothing was written since the pipe was last emptied: a write stamps its time of modification. */
function isSettled(pipe) {
  return fs.fstatSync(pipe.fd).mtimeMs === pipe.settled;
}

/** An unfinished line. */
class Line {
  constructor() {
    this.size = 0;
    this._parts = [];
  }

  add(data) {
    if (data.length === 0) return;
    this._parts.push(Buffer.from(data)); // a copy: the caller may reuse its buffer
    this.size += data.length;
  }

  /** All of it and `more`. */
  take(more = frames.NOTHING) {
    if (this.size === 0) return more;
    const all = Buffer.concat([...this._parts, more]);
    this._parts = [];
    this.size = 0;
    return all;
  }
}

/** What user code sees as `process.stdout`. */
class OutputStream extends Writable {
  constructor(output, stream) {
    super({ decodeStrings: true, emitClose: false, autoDestroy: false });
    this._output = output;
    this._stream = stream;
    this.fd = stream + 1;
    this._type = 'pipe';
    this._isStdio = true;
  }

  _write(data, encoding, done) {
    this._output.write(this._stream, data);
    done();
  }

  /** Ends nothing: whoever prints next would be surprised. */
  end(data, encoding, done) {
    const callback = [data, encoding, done].find((argument) => typeof argument === 'function');
    if (data !== undefined && data !== null && typeof data !== 'function') {
      this.write(data, typeof encoding === 'string' ? encoding : undefined);
    }
    if (callback) process.nextTick(callback);
    return this;
  }

  destroy() {
    return this;
  }
}

module.exports = { Output };
