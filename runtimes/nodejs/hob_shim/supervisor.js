'use strict';

// Keeps the slots alive and says how they ended. Runs no user code. The only child of PID 1, a shell that reaps.
//
// Every slot leads a session of its own. Node reaps a child before it tells us, so what a slot left behind is found
// by its session in /proc, and never by the number of a group that may be somebody else's by then.

const { spawn } = require('child_process');
const fs = require('fs');
const path = require('path');

const conventions = require('./conventions');
const exitCodes = require('./exit_codes');
const fatalReport = require('./fatal_report');
const frames = require('./frames');
const processes = require('./processes');

const STRAGGLERS_MS = 500; // how long to wait for killed processes to be gone
const SPAWN_FOR_MS = 10000; // how long to keep trying to start a process
const YOUNG_MS = 300; // a slot that dies younger than this was not used
const SLOT = path.join(__dirname, 'slot.js');

/** Runs until the daemon hangs up or SIGTERM comes. */
function main({ address = process.env.HOB_DIAL, token = process.env.HOB_TOKEN ?? '', atEnd = () => {} } = {}) {
  delete process.env.HOB_DIAL;
  delete process.env.HOB_TOKEN;
  const supervisor = new Supervisor(address, token, atEnd);
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => supervisor.end(0));
  process.on('uncaughtException', (error) => supervisor.fail(error.stack, exitCodes.INTERNAL));
  supervisor.start();
  return supervisor;
}

/** Where a slot runs, or will run again. */
class Place {
  constructor(number) {
    this.number = number;
    this.child = null; // null: nobody there
    this.born = 0;
    this.cancelled = false;
    this.wanted = true;
    this.timer = null; // when one is about to be started
    this.youngDeaths = 0;
  }
}

class Supervisor {
  constructor(address, token, atEnd) {
    this._address = address;
    this._token = token;
    this._atEnd = atEnd;
    this._control = null;
    this._places = new Map();
    this._oomKills = processes.oomKills();
    this._ownSession = processes.ownSession();
    this._mayEndStrangers = process.env.HOB_INIT === '1';
    this._spawnFailingSince = 0;
    delete process.env.HOB_INIT;
  }

  async start() {
    this._want(0);
    const on = {
      frame: (type, header) => this._onFrame(type, header),
      end: () => this.end(0),
      fault: (error) => this.fail(`protocol error: ${error.message}`, exitCodes.PROTOCOL),
    };
    try {
      this._control = await frames.dial(this._address, on);
    } catch (error) {
      this.fail(`cannot reach the daemon: ${error.message}`, exitCodes.NO_DAEMON);
    }
    this._tell(frames.HELLO, {
      protocol: frames.PROTOCOL, role: 'control', token: this._token, runtime: 'nodejs',
      version: process.versions.node, conventions: Object.keys(conventions).sort(),
    });
  }

  /** Leaves no process behind and ends this one. Says nothing: whoever could hear it is gone. */
  end(code) {
    for (const place of this._places.values()) {
      if (place.child) processes.killGroup(place.child.pid);
    }
    const sessions = [...this._places.values()].map((place) => place.child?.pid);
    for (const place of this._places.values()) place.child = null;
    this._endOrphans(sessions);
    this._atEnd();
    process.reallyExit(code);
  }

  fail(text, code) {
    fs.writeSync(2, `hob shim: ${text}\n`);
    this.end(code);
  }

  // What the daemon says.

  _onFrame(type, header) {
    if (type === frames.SLOTS) this._resize(whole(header, 'count'));
    else if (type === frames.CANCEL) this._cancel(this._places.get(whole(header, 'slot')));
    else if (type === frames.PING) this._tell(frames.PONG, {});
    else if (type === frames.LOAD) {
      throw new frames.ProtocolError('code over the wire is not part of version 1; mount it at /hob/code');
    } else throw new frames.ProtocolError(`frame type ${type} on the control connection`);
  }

  _resize(count) {
    for (let number = 0; number < count; number += 1) this._want(number);
    for (const place of this._places.values()) {
      if (place.number < count) continue;
      place.wanted = false;
      this._cancel(place);
    }
  }

  _cancel(place) {
    if (!place?.child) return;
    place.cancelled = true;
    processes.killGroup(place.child.pid);
  }

  _tell(type, header) {
    this._control?.send(type, header);
  }

  // Starting slots.

  _want(number) {
    if (!this._places.has(number)) this._places.set(number, new Place(number));
    const place = this._places.get(number);
    place.wanted = true;
    this._startIn(place, 0);
  }

  /** Starts a slot in `ms` milliseconds, unless one is there or about to be. */
  _startIn(place, ms) {
    if (place.child || place.timer || !place.wanted) return;
    if (ms === 0) {
      this._start(place);
      return;
    }
    place.timer = setTimeout(() => {
      place.timer = null;
      if (place.wanted) this._start(place);
    }, ms);
  }

  _start(place) {
    try {
      this._spawn(place);
      this._spawnFailingSince = 0;
    } catch (error) {
      this._waitForRoom(place, error);
    }
  }

  _spawn(place) {
    const [out, err] = processes.openPipes(2);
    const child = spawn(process.execPath, [...heapFlags(), SLOT], {
      detached: true, // a session and process group of its own
      env: { ...process.env, HOB_DIAL: this._address, HOB_TOKEN: this._token, HOB_SLOT: String(place.number) },
      stdio: ['ignore', out.writer, err.writer, out.reader, err.reader, 2],
    });
    [out.writer, err.writer, out.reader, err.reader].forEach((fd) => fs.closeSync(fd));
    child.once('error', () => {}); // seen below: there is no pid
    if (child.pid === undefined) throw new Error('no process could be started');
    Object.assign(place, { child, born: Date.now(), cancelled: false });
    child.once('exit', (code, signal) => this._ended(place, code, signal));
  }

  /** The kernel has no room for a process: somebody has filled the container with them. */
  _waitForRoom(place, error) {
    this._spawnFailingSince ||= Date.now();
    const waited = Date.now() - this._spawnFailingSince;
    if (waited > SPAWN_FOR_MS) this.fail(`no slot could be started for ${waited} ms: ${error.message}`, exitCodes.INTERNAL);
    this._endOrphans([]);
    this._startIn(place, Math.min(1000, Math.max(10, waited)));
  }

  // Their ends.

  _ended(place, code, signal) {
    const { pid } = place.child;
    place.child = null;
    const cause = this._cause(place, signal, pid);
    this._endOrphans([pid]);
    this._tell(frames.EXITED, { slot: place.number, cause, code, signal });
    this._startAgain(place, cause);
  }

  _cause(place, signal, pid) {
    const before = this._oomKills;
    this._oomKills = processes.oomKills();
    if (place.cancelled) return 'cancelled';
    if (signal === null) return 'exit';
    if (signal === 'SIGALRM') return 'timeout';
    if (signal === 'SIGKILL' && this._oomKills > before) return 'out_of_memory';
    if (signal === 'SIGABRT' && fatalReport.saysOutOfMemory(pid)) return 'out_of_memory';
    return 'signal';
  }

  /** At once, unless slots keep dying unused: then slower and slower, up to one a second. */
  _startAgain(place, cause) {
    place.youngDeaths = Date.now() - place.born < YOUNG_MS ? place.youngDeaths + 1 : 0;
    if (cause === 'out_of_memory') place.wanted = false;
    const late = place.youngDeaths - 5;
    this._startIn(place, late > 0 ? Math.min(1000, 50 * 2 ** Math.min(late, 10)) : 0);
  }

  /** Kills what dead slots have left behind: every process whose session no living slot leads. */
  _endOrphans(deadSessions) {
    const deadline = Date.now() + STRAGGLERS_MS;
    for (;;) {
      const strangers = this._strangers(deadSessions);
      if (strangers.length === 0) return;
      if (Date.now() > deadline) break;
      strangers.forEach(processes.kill);
      frames.pause(2); // PID 1 reaps them meanwhile
    }
    if (this._mayEndStrangers) processes.kill(-1); // they multiply faster than we look: the neighbours are lost too
  }

  _strangers(deadSessions) {
    const spared = new Set([0, this._ownSession]);
    for (const place of this._places.values()) spared.add(place.child?.pid);
    const isStranger = this._mayEndStrangers
      ? ({ session }) => !spared.has(session)
      : ({ session }) => deadSessions.includes(session); // outside a container: only what is surely ours
    return processes.everybody().filter(isStranger).map(({ pid }) => pid);
  }
}

/** Where the kernel bounds the memory it also counts whom it ends, so V8 needs no bound of its own below it. */
function heapFlags() {
  if (!processes.hasMemoryLimit()) return [];
  return ['--max-old-space-size=65536', '--max-semi-space-size=4', '--heap-growing-percent=50'];
}

function whole(header, key) {
  const value = header[key];
  if (!Number.isInteger(value) || value < 0 || value > 1024) {
    throw new frames.ProtocolError(`\`${key}\` is ${JSON.stringify(value)}; it must be a whole number up to 1024`);
  }
  return value;
}

module.exports = { main };
