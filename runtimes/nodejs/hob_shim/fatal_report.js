'use strict';

// Why V8 gave up. It says so to people, on standard error, before it aborts; to programs it says it in a report, which the
// slot asks for and the supervisor looks at. No more of a report is used than its reason, and none is kept.

const fs = require('fs');

const DIRECTORY = '/tmp';
const START = 4096; // bytes; the reason is among the first

const fileName = (pid) => `hob-fatal-${pid}.json`;

/** Has a report written when this process aborts. */
function enable() {
  Object.assign(process.report, {
    reportOnFatalError: true, directory: DIRECTORY, filename: fileName(process.pid), compact: true, excludeNetwork: true,
  });
}

/** Whether memory was what that process wanted when it aborted. Removes the report. */
function saysOutOfMemory(pid) {
  const file = `${DIRECTORY}/${fileName(pid)}`;
  const isIt = readStart(file).includes('"trigger":"OOMError"');
  fs.rmSync(file, { force: true, recursive: true });
  return isIt;
}

/** The function may have put anything in that place: a pipe, or a file larger than our memory. */
function readStart(file) {
  let fd;
  try {
    fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const start = Buffer.alloc(START);
    return start.toString('latin1', 0, fs.readSync(fd, start, 0, START, null));
  } catch {
    return '';
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

module.exports = { enable, saysOutOfMemory };
