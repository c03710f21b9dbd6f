'use strict';

// The second thread of a slot, which user code cannot keep from working. It ends the process at its deadline, and it
// reads what arrives through descriptors 1 and 2: from sub-processes, from libraries, from V8 itself.
//
// It alone reads the pipes, so that order is kept. The other thread asks it for what is in them now (`look`).

const net = require('net');
const { parentPort, workerData } = require('worker_threads');

const frames = require('./frames');
const { PIPE_SIZE, readNow } = require('./processes');
const { Shared, now } = require('./shared');

const MERCY_MS = 100; // for a process that catches SIGALRM, though it must not

const shared = new Shared(workerData.fd, workerData.memory);
const pipes = workerData.pipes.map((fd, stream) => ({ fd, stream }));
let timer;

for (const pipe of pipes) {
  const onread = { buffer: Buffer.allocUnsafe(PIPE_SIZE), callback: (size, buffer) => print(pipe, buffer.subarray(0, size)) };
  new net.Socket({ fd: pipe.fd, readable: true, writable: false, onread }).unref();
}
parentPort.on('message', look);

/** Sends what is in the pipes and says so; looks at the deadline no later than at `until`. */
function look({ number, until }) {
  pipes.forEach(drain);
  shared.answer(number);
  if (until !== undefined) watch(until);
}

/** A pipe holds at most PIPE_SIZE bytes; who writes all the time shall not keep us here. */
function drain(pipe) {
  for (let size = 0; size < PIPE_SIZE;) {
    const data = readNow(pipe.fd);
    if (data.length === 0) return;
    size += data.length;
    print(pipe, data);
  }
}

/** Returns true: go on reading. */
function print(pipe, data) {
  try {
    shared.print(pipe.stream, data);
  } catch (error) {
    if (!frames.isHangUp(error)) throw error; // the other thread sees it too, and ends
  }
  return true;
}

/**
 * At that time, never before it, looks whether a call has reached its deadline. A call that began meanwhile counts on
 * it, so this holds even if there is no call now.
 */
function watch(until) {
  clearTimeout(timer);
  const early = until - now();
  const left = early > 0 ? early : shared.timeLeft();
  if (left <= 0) endProcess();
  else if (left !== Infinity) timer = setTimeout(watch, left, early > 0 ? until : now() + left);
}

function endProcess() {
  process.kill(process.pid, 'SIGALRM');
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), MERCY_MS);
}
