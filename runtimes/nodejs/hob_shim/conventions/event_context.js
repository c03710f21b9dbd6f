'use strict';

// `handler(event, context, callback)` -> status, headers, body. Promised, returned or given to the callback.
// Source: the contract's sections 3.3 to 3.8 (contracts/scaleway.md).

const { answer, asBuffer, isBytes, isStream, isThenable } = require('../answers');
const { loadError, notJson } = require('../failures');
const { canonicalHeaders, decodedPath, isText, queryFields } = require('../requests');
const { sniff } = require('../sniff');

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** The header that says what triggered a call, spelled as functions see it; without it: HTTP. */
const TRIGGER_TYPE = 'Scw_trigger_type';
const CORS = [['Access-Control-Allow-Origin', '*'], ['Access-Control-Allow-Headers', 'Content-Type']];

function prepare(handler, about) {
  const mayCallBackLater = handler.length >= 3 && handler.constructor.name !== 'AsyncFunction';
  const onlyBinary = onlyBinaryIsBase64();
  return (invoke, body) => {
    const event = eventOf(invoke, body, onlyBinary);
    const trigger = event.headers[TRIGGER_TYPE];
    if (trigger && trigger !== 'mqtt') return noSuchTrigger();
    const context = contextOf(about);
    let calledBack = null; // the arguments of the callback's first call
    let wake = null; // for a callback that comes after the function has returned
    const callback = (error, value) => {
      calledBack ??= { error, value };
      wake?.(calledBack);
    };
    const [given, answerWith] = trigger ? [event.body, executed] : [event, toAnswer];
    const outcome = ({ error, value }) => {
      if (error !== null && error !== undefined) throw error;
      return answerWith(value);
    };
    const result = handler(given, context, callback);
    if (calledBack) return outcome(calledBack);
    if (isThenable(result)) return result.then((value) => (calledBack ? outcome(calledBack) : answerWith(value)));
    if (result !== undefined || !mayCallBackLater) return answerWith(result);
    return new Promise((resolve) => { wake = resolve; }).then(outcome);
  };
}

/** Of a message nobody waits for what the function makes of it. */
const executed = () => withUsual(200, [], 'executed properly');

function noSuchTrigger() {
  const text = 'Trigger Type is not supported by Scaleway Functions Runtime\n';
  return withUsual(400, [['X-Content-Type-Options', 'nosniff']], text);
}

/** Nothing else is in it: no remaining time, no request id. */
function contextOf(about) {
  return { memoryLimitInMb: about.memory_mib ?? 128, functionName: about.name ?? '', functionVersion: '' };
}

/** `HOB_IS_BASE64=binary`: `isBase64Encoded` is true for what is not text, and for nothing else. */
function onlyBinaryIsBase64() {
  const { HOB_IS_BASE64: value = 'decodable' } = process.env;
  delete process.env.HOB_IS_BASE64;
  if (value === 'binary' || value === 'decodable') return value === 'binary';
  throw loadError('Error', `HOB_IS_BASE64 is \`${value}\`; it must be \`binary\` or \`decodable\``);
}

function eventOf(invoke, body, onlyBinary) {
  const event = {
    resource: '',
    path: decodedPath(invoke.path),
    httpMethod: invoke.method,
    headers: canonicalHeaders(invoke.headers),
    multiValueHeaders: null,
    queryStringParameters: queryFields(invoke.query),
    multiValueQueryStringParameters: null,
    pathParameters: null,
    stageVariables: {},
    requestContext: {
      accountId: '', resourceId: '', stage: '', requestId: '', resourcePath: '', authorizer: null,
      httpMethod: invoke.method, apiId: '',
    },
    ...bodyFields(body, onlyBinary),
  };
  delete event.headers.Host;
  return event;
}

/**
 * Quirk(contract 3.3): upstream says of any text that happens to be base64 that it is, of an empty one too, and destroys
 * what is not UTF-8. The first is kept, for functions that were written with it; such bytes arrive as base64.
 */
function bodyFields(body, onlyBinary) {
  const text = body.toString();
  if (!isText(text, body)) return { body: body.toString('base64'), isBase64Encoded: true };
  return !onlyBinary && BASE64.test(text) ? { body: text, isBase64Encoded: true } : { body: text };
}

// The answer. The single rule that the contract's section 3.7 recommends.

function toAnswer(value) {
  const envelope = envelopeOf(value);
  if (envelope === null) return asIs(value);
  const headers = headerList(envelope.headers);
  const body = bodyOf(envelope);
  return withUsual(statusOf(envelope.statusCode), headers, body);
}

/** An object with a status or a body, or a text that is such an object and has a status. */
function envelopeOf(value) {
  if (typeof value === 'string') {
    const parsed = /^\s*\{/.test(value) ? parseObject(value) : null;
    return parsed !== null && isStatus(parsed.statusCode) ? parsed : null;
  }
  if (value === null || typeof value !== 'object' || isBytes(value) || isStream(value)) return null;
  return isStatus(value.statusCode) || 'body' in value ? value : null;
}

function parseObject(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const isStatus = (value) => Number.isInteger(value) || (typeof value === 'string' && /^\d+$/.test(value));

function statusOf(value) {
  const status = isStatus(value) ? Number(value) : 200;
  if (status === 0) return 200;
  if (status < 100 || status > 599) throw notJson(`the statusCode is ${status}; it must be between 100 and 599`);
  return status;
}

function headerList(headers) {
  return Object.entries(headers ?? {}).flatMap(([name, value]) => [value].flat().map((each) => [name, String(each)]));
}

function bodyOf({ body, isBase64Encoded }) {
  if (body === undefined) return '';
  if (isBase64Encoded === true) return fromBase64(body);
  return bytesOrText(body);
}

function fromBase64(body) {
  if (typeof body !== 'string' || !BASE64.test(body)) {
    throw notJson('isBase64Encoded is true, but the body is not standard base64; use buffer.toString("base64"), or leave it out');
  }
  return Buffer.from(body, 'base64');
}

/** Strings, bytes and streams as they are, the rest as JSON. */
function bytesOrText(value) {
  if (typeof value === 'string' || isStream(value)) return value;
  return isBytes(value) ? asBuffer(value) : toJson(value);
}

function toJson(value) {
  try {
    return JSON.stringify(value) ?? '';
  } catch (error) {
    throw notJson(`the result is not JSON: ${error.message}; return only objects, arrays, strings, numbers, booleans and null`);
  }
}

function asIs(value) {
  return withUsual(200, [], value === null || value === undefined ? '' : bytesOrText(value));
}

/** What is there unless the function has said otherwise. Nobody but the function says application/json. */
function withUsual(status, headers, body) {
  const said = new Set(headers.map(([name]) => name.toLowerCase()));
  const all = [...headers, ...CORS.filter(([name]) => !said.has(name.toLowerCase()))];
  const isNamed = said.has('content-type') || isStream(body) || body.length === 0;
  return answer(status, isNamed ? all : [...all, ['Content-Type', sniff(body)]], body);
}

module.exports = prepare;
