'use strict';

// One slot: a process that loads the code once and then has one call in flight at a time.
//
// It ends with the connection, with its deadline (the watcher's SIGALRM), or by what user code does to it. It does not
// restart itself and does not report its own death; the supervisor does both.

const fs = require('fs');
const path = require('path');
const { Worker } = require('worker_threads');

const answers = require('./answers');
const exitCodes = require('./exit_codes');
const failures = require('./failures');
const fatalReport = require('./fatal_report');
const frames = require('./frames');
const loader = require('./loader');
const { Output } = require('./output');
const { Shared, now } = require('./shared');

const PIPES = [3, 4]; // the reading ends of descriptors 1 and 2
const REAL_STDERR = 5;
const LONGEST_MS = 2 ** 30; // 12 days; the clock that the threads share has 32 bits
const end = process.reallyExit.bind(process); // asks no handler of the user's
const leave = process.exit.bind(process);

/** Dials the daemon, says hello, serves until it hangs up. */
async function main() {
  const { HOB_DIAL: address, HOB_TOKEN: token, HOB_SLOT: number } = process.env;
  ['HOB_DIAL', 'HOB_TOKEN', 'HOB_SLOT'].forEach((name) => delete process.env[name]);
  preferMeWhenMemoryIsShort();
  fatalReport.enable();
  const complain = (text, code) => {
    fs.writeSync(REAL_STDERR, `hob shim, slot ${number}: ${text}\n`);
    end(code);
  };
  let slot;
  const on = {
    frame: (type, header, raw) => slot.onFrame(type, header, raw),
    end: () => end(0),
    fault: (error) => (error instanceof frames.ProtocolError
      ? complain(`protocol error: ${error.message}`, exitCodes.PROTOCOL)
      : complain(error.stack, exitCodes.INTERNAL)),
  };
  try {
    const connection = await frames.dial(address, on);
    slot = new Slot(connection.fd, complain);
    connection.send(frames.HELLO, { protocol: frames.PROTOCOL, role: 'slot', token, slot: Number(number) });
  } catch (error) {
    complain(`cannot reach the daemon: ${error.message}`, exitCodes.NO_DAEMON);
  }
}

/** The kernel then kills a slot and never the supervisor. Children inherit it. */
function preferMeWhenMemoryIsShort() {
  try {
    fs.writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Not in a container: only the report of the cause is lost.
  }
}

class Slot {
  constructor(fd, complain) {
    this._complain = complain;
    this._shared = new Shared(fd);
    this._watcher = this._startWatcher();
    this._asked = 0;
    this._watchedUntil = 0; // when the watcher looks at the deadline next, for all we know
    this._output = new Output(this._shared, PIPES, () => this._shared.waitForAnswer(this._askWatcher()));
    this._answer = null; // how a call is answered; null until the code is loaded
    this._loading = false;
    this._invoke = null; // the invoke whose body is still coming
    this._parts = [];
    this._work = null; // the load or call in flight
  }

  _startWatcher() {
    const watcher = new Worker(path.join(__dirname, 'watcher.js'), {
      workerData: { fd: this._shared.fd, memory: this._shared.memory, pipes: PIPES },
      env: {},
      execArgv: [],
      stdout: true, // else descriptors 1 and 2 would be opened as streams here, and would not block any more
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    });
    watcher.on('error', (error) => this._complain(`the watcher failed: ${error.stack}`, exitCodes.INTERNAL));
    watcher.unref();
    return watcher;
  }

  /** To empty the pipes, and to look at the deadline at that time. Returns the number of its answer. */
  _askWatcher(until) {
    this._asked = (this._asked + 1) | 0;
    this._watcher.postMessage({ number: this._asked, until });
    return this._asked;
  }

  // Frames.

  onFrame(type, header, raw) {
    if (type === frames.INVOKE && this._answer && !this._work && !this._invoke) this._onInvoke(header, raw);
    else if (type === frames.BODY && this._invoke) this._onBody(header, raw);
    else if (type === frames.LOAD && !this._answer && !this._loading) this._load(header);
    else throw new frames.ProtocolError(`frame type ${type} is out of place here`);
  }

  _onInvoke(header, raw) {
    if (!header.stream) {
      this._call(header, raw);
      return;
    }
    this._invoke = header;
    this._parts = [raw];
  }

  /** How long a streamed body may be is the daemon's business. */
  _onBody(header, raw) {
    this._parts.push(raw);
    if (!header.end) return;
    const invoke = this._invoke;
    this._invoke = null;
    this._call(invoke, Buffer.concat(this._parts));
    this._parts = [];
  }

  _send(type, header, raw) {
    try {
      this._shared.send(type, header, raw);
    } catch (error) {
      if (frames.isHangUp(error)) end(0);
      throw error;
    }
  }

  // Loading.

  _load(header) {
    this._loading = true;
    this._captureProcess();
    const work = this._begin(header);
    Promise.race([loader.load(header), work.failed]).then(
      (answer) => {
        this._answer = answer;
        this._loaded(work, { ok: true });
      },
      (error) => this._loaded(work, { ok: false, error: failures.describe('load', error, loader.hint(error)) }),
    );
  }

  _loaded(work, report) {
    this._finish();
    this._send(frames.LOADED, JSON.stringify({ ...report, duration_us: microseconds(work.started) }));
  }

  /** What user code could do to the whole process becomes the failure of its call. */
  _captureProcess() {
    this._output.capture();
    process.exit = (code) => {
      if (this._work) throw new failures.ProcessExit(code);
      leave(code);
    };
    process.on('uncaughtException', (error) => this._onUncaught(error));
  }

  /** Nobody has caught it, and user code has no handler of its own. */
  _onUncaught(error) {
    if (process.listenerCount('uncaughtException') > 1) return;
    if (this._work) this._work.fail(error);
    else end(1);
  }

  // Calling.

  _call(header, body) {
    const work = this._begin(header);
    const succeed = (answer) => this._outcome(work, { answer });
    work.fail = (error) => this._outcome(work, { error });
    try {
      const answer = this._answer(header, body);
      if (typeof answer.then === 'function') answer.then(succeed, work.fail);
      else succeed(answer);
    } catch (error) {
      work.fail(error);
    }
  }

  /**
   * The first outcome counts; but an exception that nobody catches before the answer is sent counts more. So the
   * answer waits until the event loop has seen to rejected promises.
   */
  _outcome(work, outcome) {
    if (work.outcome === null) {
      work.duration = microseconds(work.started);
      setImmediate(() => this._reply(work));
    } else if ('answer' in outcome || work.isSent) {
      return;
    }
    work.outcome = outcome;
  }

  _reply(work) {
    work.isSent = true;
    const { answer, error } = work.outcome;
    if (answer === undefined) this._replyError(work, error);
    else if (answers.isStream(answer.body)) this._replyStream(work, answers.parts(answer.body));
    else this._replyWhole(work, answer.body);
  }

  _replyError(work, thrown) {
    const error = failures.describe('raised', thrown);
    this._finish();
    this._send(frames.REPLY, JSON.stringify({ error, duration_us: work.duration }));
  }

  _replyWhole(work, given) {
    // A character takes three bytes at most; only what may be too long is measured.
    const body = typeof given === 'string' && given.length * 3 > frames.CHUNK ? Buffer.from(given) : given;
    this._finish();
    if (body.length <= frames.CHUNK) {
      this._send(frames.REPLY, replyHeader(work, false), body);
      return;
    }
    this._send(frames.REPLY, replyHeader(work, true), body.subarray(0, frames.CHUNK));
    for (let at = frames.CHUNK; at < body.length; at += frames.CHUNK) {
      const isLast = at + frames.CHUNK >= body.length;
      this._send(frames.BODY, isLast ? '{"end":true}' : '', body.subarray(at, at + frames.CHUNK));
    }
  }

  /** The deadline holds until the last part. What fails before the first part is a failure like any other. */
  async _replyStream(work, parts) {
    let isFirst = true;
    work.fail = (error) => {
      if (isFirst) this._replyError(work, error);
      else this._breakOff(error);
    };
    try {
      for await (const part of parts) {
        if (this._work !== work) return;
        if (isFirst) this._send(frames.REPLY, replyHeader(work, true), part);
        else this._send(frames.BODY, '', part);
        isFirst = false;
      }
    } catch (error) {
      if (this._work === work) work.fail(error);
      return;
    }
    if (this._work !== work) return;
    this._finish();
    if (isFirst) this._send(frames.REPLY, replyHeader(work, false));
    else this._send(frames.BODY, '{"end":true}');
  }

  /** Half of the answer is with the caller: nothing but the end of the connection can say that the rest will not come. */
  _breakOff(error) {
    const { message, traceback } = failures.describe('raised', error);
    this._output.write(1, Buffer.from(traceback || `${message}\n`));
    this._finish();
    end(1);
  }

  // Both.

  _begin(header) {
    const limit = whole(header, 'log_limit');
    const timeout = Math.min(whole(header, 'timeout_ms'), LONGEST_MS);
    const started = now();
    const work = { started, deadline: started + timeout, duration: 0, outcome: null, isSent: false, fail: null };
    if (this._answer === null) work.failed = new Promise((_, reject) => { work.fail = reject; });
    this._work = work;
    this._output.begin(limit);
    this._arm(work.deadline);
    return work;
  }

  /**
   * The watcher ends this process at the deadline. It is woken only if it would otherwise look too late: mostly it
   * looks when the deadline of an earlier call has passed, finds a later one and waits for that.
   */
  _arm(deadline) {
    this._shared.arm(deadline);
    if (now() < this._watchedUntil && this._watchedUntil <= deadline) return;
    this._watchedUntil = deadline;
    this._askWatcher(deadline);
  }

  /**
   * First the deadline is taken back, then the clock is read: whoever sees both may end the process or let it answer,
   * but it never answers and is ended for it afterwards.
   */
  _finish() {
    const { deadline } = this._work;
    this._output.end();
    this._shared.disarm();
    if (now() >= deadline) this._overrun();
    this._work = null;
  }

  _overrun() {
    process.removeAllListeners('SIGALRM');
    process.kill(process.pid, 'SIGALRM');
    frames.pause(Infinity);
  }
}

const microseconds = (started) => Math.round((now() - started) * 1000);

function replyHeader({ outcome: { answer }, duration }, isStream) {
  return `{"status":${answer.status},"headers":${answer.headers},"stream":${isStream},"duration_us":${duration}}`;
}

function whole(header, key) {
  const value = header[key];
  if (!Number.isInteger(value) || value < 0) {
    throw new frames.ProtocolError(`\`${key}\` is ${JSON.stringify(value)}; it must be a whole number`);
  }
  return value;
}

main();
