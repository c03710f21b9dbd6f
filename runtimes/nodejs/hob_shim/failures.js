'use strict';

// What was thrown, as the daemon wants to read it: kind, type, message, traceback. Never throws.

const { inspect } = require('util');

const MESSAGE_LIMIT = 15 * 1024; // bytes; all of this travels in a frame header
const TRACEBACK_LIMIT = 63 * 1024;
const MOST_CAUSES = 8;
const OWN_FRAME = new RegExp(`^\\s+at .*(${escape(`${__dirname}/`)}|\\bnode:)`);

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** A failure that the shim has found itself: without a traceback. `of` names the language's error it stands for. */
class Found extends Error {
  constructor(kind, of, message) {
    super(message);
    this.kind = kind;
    this.of = of;
  }
}

/** The caller's input does not fit the convention. */
const badInput = (message) => new Found('bad_input', 'TypeError', message);
/** The function's result does not fit the convention. */
const notJson = (message) => new Found('not_json', 'TypeError', message);
/** The code does not have what the entry names. */
const loadError = (of, message) => new Found('load', of, message);

/** `process.exit` was called; raised there, so that the slot lives on. */
class ProcessExit extends Error {
  constructor(code) {
    super(`process.exit(${code ?? ''}) was called; return from the function instead`);
    this.name = 'ProcessExit';
  }
}

/** The `error` object of a reply or loaded frame. `hint` is added to the message. */
function describe(kind, error, hint = '') {
  if (error instanceof Found) {
    return { kind: error.kind, type: error.of, message: cut(error.message, MESSAGE_LIMIT), traceback: '' };
  }
  return attempt(() => ({
    kind,
    type: typeName(error),
    message: cut(text(error) + hint, MESSAGE_LIMIT),
    traceback: cut(traceback(error), TRACEBACK_LIMIT),
  })) ?? { kind, type: 'Error', message: '(what was thrown cannot be printed)', traceback: '' };
}

/** Whatever a user throws may throw again when it is looked at. */
function attempt(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}

const isError = (value) => value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';

function typeName(error) {
  if (!isError(error)) return error === null ? 'null' : typeof error;
  const name = String(error.name);
  return name === 'Error' ? error.constructor?.name || name : name;
}

/** Who required what is in the traceback too. */
function text(error) {
  if (isError(error)) return String(error.message).split('\nRequire stack:')[0];
  return typeof error === 'string' ? error : inspect(error);
}

/** The stack with the user's frames only, and those of its causes. */
function traceback(error) {
  const parts = [];
  for (let each = error; isError(each) && parts.length < MOST_CAUSES; each = each.cause) {
    parts.push(stripped(String(each.stack ?? `${typeName(each)}: ${text(each)}`)));
  }
  return parts.length === 0 ? `${text(error)}\n` : `${parts.join('\nCaused by: ')}\n`;
}

function stripped(stack) {
  return stack.split('\n').filter((line) => !OWN_FRAME.test(line)).join('\n').trimEnd();
}

/** The beginning and the end of a long text. `limit` in bytes. */
function cut(value, limit) {
  if (value.length * 3 <= limit || Buffer.byteLength(value) <= limit) return value;
  const half = Math.floor(limit / 6); // characters of three bytes
  const left = value.length - 2 * half;
  return `${value.slice(0, half)}\n... ${left} characters left out ...\n${value.slice(-half)}`;
}

module.exports = { ProcessExit, badInput, describe, loadError, notJson };
