'use strict';

// What a convention makes of a function's result: `{status, headers, body}`. `headers` is the JSON text of a list of
// pairs, `body` a string, a Buffer, or something that yields its parts one after the other.

const { CHUNK } = require('./frames');

const JSON_HEADERS = '[["content-type","application/json"]]';

const isThenable = (value) => value !== null && typeof value === 'object' && typeof value.then === 'function';

const isBytes = (value) => value instanceof Uint8Array;

/** Whether a result is streamed: a Readable, a web stream, a generator, async or not. */
function isStream(value) {
  if (value === null || typeof value !== 'object') return false;
  return typeof value[Symbol.asyncIterator] === 'function'
    || (typeof value.next === 'function' && typeof value[Symbol.iterator] === 'function');
}

/** The parts of a streamed body as Buffers that fit a frame, none of them empty. */
async function* parts(body) {
  for await (const part of body) {
    const data = typeof part === 'string' ? Buffer.from(part) : asBuffer(part);
    for (let at = 0; at < data.length; at += CHUNK) yield data.subarray(at, at + CHUNK);
  }
}

function asBuffer(part) {
  if (isBytes(part)) return Buffer.from(part.buffer, part.byteOffset, part.byteLength);
  throw new TypeError(`a part of the body is of type ${typeof part}; yield strings and Buffers only`);
}

const answer = (status, headers, body) => ({ status, headers: JSON.stringify(headers), body });

module.exports = { JSON_HEADERS, answer, asBuffer, isBytes, isStream, isThenable, parts };
