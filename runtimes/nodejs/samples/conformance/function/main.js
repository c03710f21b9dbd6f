'use strict';

// What the conformance suite asks of a language, once for each calling convention.
// The last part of the path says what to do; where there is no path, the input's field `do`.

const { execFileSync } = require('child_process');
const { existsSync, readdirSync, writeFileSync } = require('fs');
const { Readable } = require('stream');

const RELEASED = '/tmp/released';

/** kwargs: the input is the answer. */
exports.main = async (context, input) => {
  await actions[input.do](input.n);
  return input;
};

/** event-context: the body is the answer's, as it came. */
exports.handle = async (event) => {
  const { action, n } = asked(event.path, event.queryStringParameters);
  if (action === 'stream') return { body: Readable.from(streamed()) };
  if (action === 'headers') {
    const headers = { 'x-answer': event.headers['X-Question'], 'content-type': 'text/x-told' };
    return { statusCode: 201, headers, body: 'told' };
  }
  const body = Buffer.from(event.body, event.isBase64Encoded ? 'base64' : 'utf8');
  await actions[action](n, body);
  return { body, headers: { 'content-type': 'application/octet-stream' } };
};

/** context-event: the same. */
exports.handler = async (context, event) => {
  const { action, n } = asked(event.path, event.fields);
  if (action === 'stream') return Readable.from(streamed());
  if (action === 'headers') {
    return new context.Response('told', { 'x-answer': event.headers['X-Question'] }, 'text/x-told', 201);
  }
  await actions[action](n, event.body);
  return new context.Response(event.body, {}, 'application/octet-stream');
};

function asked(path, fields) {
  return { action: path.slice(path.lastIndexOf('/') + 1), n: fields?.n ?? 0 };
}

const actions = {
  echo: () => {},
  say: (n, body) => console.log(body?.toString() ?? 'grüße'),
  child: () => {
    console.log('from the function');
    execFileSync('sh', ['-c', 'echo from a child; echo and its errors >&2'], { stdio: 'inherit' });
  },
  raise: () => { throw new Error('as asked'); },
  exit: () => process.reallyExit(3), // as a library does that ends the process: process.exit is an exception here
  hang: () => { for (;;); },
  memory: () => {
    const kept = [];
    for (;;) kept.push(Buffer.alloc(8 << 20, 'x'));
  },
  // Waits for two others: comes back only if three calls run at the same time in one worker.
  meet: (n) => {
    writeFileSync(`/tmp/met-${n}`, '');
    return waitFor(() => readdirSync('/tmp').filter((name) => name.startsWith('met-')).length >= 3);
  },
  release: () => writeFileSync(RELEASED, ''),
};

/** Half of it comes before anybody has called `release`, the rest after. */
async function* streamed() {
  yield 'first\n';
  await waitFor(() => existsSync(RELEASED));
  yield 'last\n';
}

async function waitFor(condition) {
  while (!condition()) await new Promise((resolve) => { setTimeout(resolve, 5); });
}
