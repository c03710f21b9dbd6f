'use strict';

// How a process of the shim ends when it cannot go on; near those of sysexits.h.
module.exports = { NO_DAEMON: 69, PROTOCOL: 70, INTERNAL: 71 };
