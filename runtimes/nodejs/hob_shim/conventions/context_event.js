'use strict';

// `handler(context, event)`, answered by `context.callback`, by what it returns or promises: the first counts.
// Source: the contract's section 12 (contracts/nuclio.md), 12.7 and 12.9 above all.

const { randomUUID } = require('crypto');

const { answer, asBuffer, isBytes, isStream, isThenable } = require('../answers');
const { notJson } = require('../failures');
const { Logger } = require('../logger');
const { canonicalHeaders, decodedPath, header, queryFields } = require('../requests');

const TEXT = 'text/plain';
const JSON_TYPE = 'application/json';

/** What a function may answer with to say everything itself. */
class Response {
  constructor(body = '', headers = {}, contentType = undefined, statusCode = 200, bodyEncoding = 'text') {
    this.body = body;
    this.headers = headers;
    this.content_type = contentType;
    this.status_code = statusCode;
    this.body_encoding = bodyEncoding;
  }
}

async function prepare(handler, about, exported) {
  setEnvironment(about);
  const userData = {};
  const initContext = exported.initContext ?? exported.default?.initContext;
  if (typeof initContext === 'function') await initContext(contextOf(userData, new Logger(), () => {}));
  return (invoke, body) => {
    const logger = new Logger(header(invoke.headers, 'x-nuclio-log-level'));
    const done = (value) => withLogs(toAnswer(value), logger);
    let calledBack = null; // {value} of the callback's first call
    let wake = null; // for a callback that comes after the function has returned
    const callback = (value) => {
      calledBack ??= { value };
      wake?.(calledBack.value);
    };
    const result = handler(contextOf(userData, logger, callback), eventOf(invoke, body));
    if (calledBack) return done(calledBack.value);
    if (isThenable(result)) return result.then((value) => done(calledBack ? calledBack.value : value));
    if (result !== undefined) return done(result);
    return new Promise((resolve) => { wake = resolve; }).then(done);
  };
}

function setEnvironment({ name = '', version, entry }) {
  const names = {
    NUCLIO_HANDLER: entry, NUCLIO_FUNCTION_HANDLER: entry, NUCLIO_FUNCTION_NAME: name,
    NUCLIO_FUNCTION_VERSION: version ? String(version) : 'latest', NUCLIO_FUNCTION_DESCRIPTION: '',
  };
  for (const [key, value] of Object.entries(names)) process.env[key] ??= value;
}

function contextOf(userData, logger, callback) {
  return { callback, Response, logger, userData };
}

function eventOf(invoke, body) {
  const { headers } = invoke;
  return {
    id: randomUUID(),
    body,
    content_type: header(headers, 'content-type') ?? '',
    headers: canonicalHeaders(headers),
    method: invoke.method,
    path: decodedPath(invoke.path),
    url: '',
    fields: queryFields(invoke.query),
    size: body.length,
    timestamp: new Date(),
    trigger: {
      kind: header(headers, 'x-hob-trigger-kind') ?? 'http',
      name: header(headers, 'x-hob-trigger-name') ?? 'http',
    },
    shard_id: 0,
    num_shards: 0,
    offset: 0,
    topic: '',
    type: '',
    type_version: '',
    version: '',
  };
}

function toAnswer(value) {
  if (value instanceof Response) return fromResponse(value);
  if (Array.isArray(value) && value.length === 2 && Number.isInteger(value[0])) {
    return typed(statusOf(value[0]), value[1]);
  }
  return typed(200, value);
}

/** Text, bytes and streams are plain text unless said otherwise, the rest is JSON. */
function typed(status, value) {
  const isPlain = typeof value === 'string' || isBytes(value) || isStream(value);
  return answer(status, [['content-type', isPlain ? TEXT : JSON_TYPE]], bodyOf(value));
}

function bodyOf(value) {
  if (value === undefined) return '';
  if (typeof value === 'string' || isStream(value)) return value;
  return isBytes(value) ? asBuffer(value) : toJson(value);
}

function toJson(value) {
  try {
    return JSON.stringify(value) ?? '';
  } catch (error) {
    throw notJson(`the result is not JSON: ${error.message}; answer only objects, arrays, strings, numbers, booleans and null`);
  }
}

/** Unlike upstream, a content type that is only among the headers is not lost. */
function fromResponse(response) {
  const headers = Object.entries(response.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]);
  const named = headers.find(([name]) => name === 'content-type')?.[1];
  const type = response.content_type ?? named ?? TEXT;
  const others = headers.filter(([name]) => name !== 'content-type');
  const isBase64 = response.body_encoding === 'base64' && typeof response.body === 'string';
  const body = isBase64 ? Buffer.from(response.body, 'base64') : bodyOf(response.body);
  return answer(statusOf(response.status_code || 200), [['content-type', type], ...others], body);
}

function statusOf(status) {
  if (Number.isInteger(status) && status >= 100 && status <= 599) return status;
  throw notJson(`the status code is ${String(status)}; it must be a whole number between 100 and 599`);
}

function withLogs(made, logger) {
  const logs = logger.forHeader();
  if (logs === null) return made;
  return { ...made, headers: JSON.stringify([...JSON.parse(made.headers), ['x-nuclio-logs', logs]]) };
}

module.exports = prepare;
