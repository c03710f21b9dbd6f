'use strict';

// Serves HTTP without a daemon: what a function's image does under plain `docker run`. Plays the daemon to the very
// supervisor and slots that serve one, over a socket in /tmp; so there is one path to the function and not two.
//
// Not a second daemon: one function, no queue on disk, no record, no TLS, no access control.

const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');

const frames = require('./frames');
const supervisor = require('./supervisor');
const { Worker } = require('./standalone_worker');

const CODE = '/opt/hob/function';
const MOST_WAITING = 100; // calls
const STATUS = { raised: 500, not_json: 500, load: 500, bad_input: 400, timeout: 504 };
const DIED = 502; // of any other kind: exit, signal, out_of_memory, cancelled
const LOG_LIMIT = 2 ** 40; // bytes; what is printed goes to the container's own streams

function main() {
  const settings = readSettings(process.env);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hob-'));
  const socket = path.join(directory, 'sock');
  const worker = new Worker(settings, MOST_WAITING);
  const server = http.createServer((request, response) => serve(worker, settings, request, response));
  const listener = net.createServer((connection) => worker.accept(connection));
  listener.listen(socket, () => {
    const atEnd = () => fs.rmSync(directory, { recursive: true, force: true });
    const shim = supervisor.main({ address: `unix:${socket}`, atEnd });
    const stop = () => drain(server, shim);
    for (const signal of ['SIGTERM', 'SIGINT']) {
      process.removeAllListeners(signal);
      process.on(signal, stop);
    }
  });
  server.requestTimeout = 0; // a slow upload is the caller's affair
  server.listen(settings.port, '0.0.0.0');
}

/** Takes the settings out of the environment; the rest is the function's. */
function readSettings(env) {
  const number = (name, usual) => {
    const value = Number(env[name] || usual);
    if (!Number.isInteger(value) || value < 0) throw new Error(`${name} is \`${env[name]}\`; it must be a whole number`);
    return value;
  };
  const settings = {
    port: number('PORT', 8080),
    slots: number('HOB_CONCURRENCY', 1),
    load: {
      revision: 'standalone',
      path: env.HOB_CODE || CODE,
      entry: env.HOB_ENTRY || '',
      convention: env.HOB_CONVENTION || 'kwargs',
      env: {},
      timeout_ms: number('HOB_TIMEOUT_MS', 60000),
      log_limit: LOG_LIMIT,
      function: { name: env.HOB_FUNCTION || 'function', namespace: 'default', version: 0 },
    },
  };
  ['HOB_CODE', 'HOB_ENTRY', 'HOB_CONVENTION', 'HOB_TIMEOUT_MS', 'HOB_CONCURRENCY', 'HOB_FUNCTION'].forEach((name) => delete env[name]);
  return settings;
}

/** SIGTERM: no new calls; the end when the last one is answered. */
function drain(server, shim) {
  server.close(() => shim.end(0));
  server.closeIdleConnections();
}

async function serve(worker, settings, request, response) {
  let slot;
  try {
    slot = await worker.acquire();
  } catch (error) {
    request.resume();
    fail(response, error.status ?? 500, error);
    return;
  }
  response.once('close', () => slot.abandon()); // harmless after the reply
  slot.call(invokeHeader(settings, request), request, new Reply(response));
}

function invokeHeader(settings, request) {
  const [target, query = ''] = split(request.url);
  const headers = [];
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    headers.push([request.rawHeaders[at].toLowerCase(), request.rawHeaders[at + 1]]);
  }
  return {
    id: String(Date.now()), timeout_ms: settings.load.timeout_ms, method: request.method,
    path: target, query, headers, log_limit: LOG_LIMIT,
  };
}

function split(url) {
  const at = url.indexOf('?');
  return at < 0 ? [url] : [url.slice(0, at), url.slice(at + 1)];
}

/** What a slot says, as HTTP. */
class Reply {
  constructor(response) {
    this._response = response;
  }

  start({ status, headers, stream }, raw) {
    const names = {};
    for (const [name, value] of headers) names[name] = name in names ? [names[name], value].flat() : value;
    if (!stream && status !== 204 && status !== 304) names['content-length'] = raw.length;
    this._response.writeHead(status, names);
    if (stream) this._response.write(raw);
    else this._response.end(raw);
  }

  part(raw) {
    this._response.write(raw);
  }

  end() {
    this._response.end();
  }

  fail(error) {
    fail(this._response, STATUS[error.kind] ?? DIED, error);
  }
}

function fail(response, status, { kind, type = kind, message, traceback = '' }) {
  if (response.headersSent) {
    response.destroy(); // half of an answer is out; only the end of the connection can say so
    return;
  }
  const body = Buffer.from(JSON.stringify({ error: { kind, type, message, traceback } }));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

module.exports = { main };
