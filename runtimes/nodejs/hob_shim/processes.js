'use strict';

// What the supervisor knows of other processes, from /proc and the control group. Decides nothing.

const { spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const OOM_COUNTERS = ['/sys/fs/cgroup/memory.events', '/sys/fs/cgroup/memory/memory.oom_control'];
const LIMITS = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];
const NO_LIMIT = 2 ** 60; // bytes; version 1 says a number near 2^63 where there is none
const PIPE_SIZE = 64 * 1024;

/** How many processes of this container the kernel has killed for want of memory. 0 if unknown. */
function oomKills() {
  for (const file of OOM_COUNTERS) {
    const found = /^oom_kill (\d+)$/m.exec(readText(file));
    if (found) return Number(found[1]);
  }
  return 0;
}

/** Whether the kernel bounds the memory of this container. */
function hasMemoryLimit() {
  return LIMITS.some((file) => {
    const limit = Number.parseInt(readText(file), 10);
    return limit > 0 && limit < NO_LIMIT;
  });
}

function readText(file) {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

/** Ends a whole process group at once. */
function killGroup(leader) {
  kill(-leader);
}

/** Ends one process, or with a negative number a group, or with -1 all but us and PID 1. */
function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH' && error.code !== 'EPERM') throw error;
  }
}

/** {pid, session} of each process that lives. The dead that are not yet reaped do not count. */
function everybody() {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(readProcess).filter(Boolean);
}

function readProcess(name) {
  const stat = readText(`/proc/${name}/stat`);
  // The name, in brackets, may hold anything: look behind the last bracket.
  const [state, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (!state || state === 'Z' || state === 'X') return null;
  return { pid: Number(name), session: Number(session) };
}

/** The session that this process is in. */
const ownSession = () => readProcess('self').session;

/**
 * Two ends of each of `count` pipes: [{reader, writer}]. The reader does not block. Node can make no pipe, so these
 * are named ones whose names are gone when this returns. Throws when no process can be started.
 */
function openPipes(count) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hob-'));
  try {
    const names = Array.from({ length: count }, (_, index) => path.join(directory, String(index)));
    const made = spawnSync('mkfifo', ['-m', '600', ...names], { stdio: 'ignore' });
    if (made.status !== 0) throw made.error ?? new Error('mkfifo failed; the image must have it, and /tmp must be writable');
    return names.map((name) => ({
      reader: fs.openSync(name, fs.constants.O_RDWR | fs.constants.O_NONBLOCK), // RDWR: it never comes to its end
      writer: fs.openSync(name, fs.constants.O_WRONLY),
    }));
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** What is in a pipe now, at most 64 KiB of it. */
function readNow(reader) {
  const buffer = Buffer.allocUnsafe(PIPE_SIZE);
  try {
    return buffer.subarray(0, fs.readSync(reader, buffer, 0, PIPE_SIZE, null));
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error;
    return buffer.subarray(0, 0);
  }
}

module.exports = { PIPE_SIZE, everybody, hasMemoryLimit, kill, killGroup, oomKills, openPipes, ownSession, readNow };
