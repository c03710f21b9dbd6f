'use strict';

// Starts the shim. Only a door: with HOB_DIAL a worker of the daemon, without it an HTTP server of its own.
// The work is in `hob_shim/` beside this file. See `../README.md` for the contract.

const role = process.env.HOB_DIAL ? './hob_shim/supervisor' : './hob_shim/standalone';
require(role).main();
