'use strict';

// The second thread of a slot, which user code cannot keep from working. It ends the process at its deadline, and it
// reads what arrives through descriptors 1 and 2: from sub-processes, from libraries, from V8 itself.
//
// It alone reads the pipes, so that order is kept. The other thread asks it for what is in them now (`look`).

const fs = require('fs');
const net = require('net');
const { parentPort, workerData } = require('worker_threads');

const frames = require('./frames');
const { PIPE_SIZE, readNow } = require('./processes');
const { Shared } = require('./shared');

const HEAP_EXHAUSTED = /heap out of memory|process out of memory|bad_alloc/;
const STDERR = 1; // as a stream
const MERCY_MS = 100; // for a process that catches SIGALRM, though it must not

const shared = new Shared(workerData.fd, workerData.memory);
const pipes = workerData.pipes.map((fd, stream) => ({ fd, stream, open: true, socket: null }));
let timer;

for (const pipe of pipes) {
  pipe.socket = new net.Socket({
    fd: pipe.fd,
    readable: true,
    writable: false,
    onread: { buffer: Buffer.allocUnsafe(PIPE_SIZE), callback: (size, buffer) => print(pipe, buffer.subarray(0, size)) },
  });
  pipe.socket.on('error', () => {}); // `close` follows
  pipe.socket.on('close', () => { pipe.open = false; });
}
parentPort.on('message', look);

/** Sends what is in the pipes, says so, and sees to the deadline. */
function look(number) {
  pipes.forEach(drain);
  shared.answer(number);
  watch();
}

/** A pipe holds at most PIPE_SIZE bytes; who writes all the time shall not keep us here. */
function drain(pipe) {
  for (let size = 0; pipe.open && size < PIPE_SIZE;) {
    const data = readNow(pipe.fd);
    if (data.length === 0) return;
    size += data.length;
    print(pipe, data);
  }
}

/** Returns whether to go on reading. */
function print(pipe, data) {
  try {
    shared.print(pipe.stream, data);
  } catch (error) {
    if (!frames.isHangUp(error)) throw error; // the other thread sees it too, and ends
  }
  if (pipe.stream !== STDERR || !HEAP_EXHAUSTED.test(data.toString('latin1'))) return true;
  leaveLastWords(pipe, data);
  return false;
}

/** V8 is about to abort. The supervisor looks for the reason in the pipe, so it must not be taken out of it. */
function leaveLastWords(pipe, data) {
  pipe.open = false;
  fs.writeSync(2, data.toString('latin1').match(HEAP_EXHAUSTED)[0]);
}

function watch() {
  clearTimeout(timer);
  const left = shared.timeLeft();
  if (left === Infinity) return;
  if (left > 0) {
    timer = setTimeout(watch, left);
    return;
  }
  process.kill(process.pid, 'SIGALRM');
  timer = setTimeout(() => process.kill(process.pid, 'SIGKILL'), MERCY_MS);
}
