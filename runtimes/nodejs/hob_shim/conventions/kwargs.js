'use strict';

// `main(context, input)`; what it returns, or promises, is answered as JSON. `context` is an empty object, and `input`
// an object, or null when there is none. Source: the contract's sections 5.1 and 5.3 (contracts/qinling.md).

const { JSON_HEADERS, isThenable } = require('../answers');
const { badInput, notJson } = require('../failures');
const { isText } = require('../requests');

const INTEGER = /^\s*-?(0|[1-9]\d*)\s*$/;

function prepare(handler) {
  return (_invoke, body) => {
    const result = handler({}, inputOf(body));
    return isThenable(result) ? result.then(toAnswer) : toAnswer(result);
  };
}

/** The input that a body stands for. Plain text is given as `__function_input`. */
function inputOf(body) {
  if (body.length === 0) return null;
  const text = toText(body);
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return { __function_input: text };
  }
  if (value === null || (typeof value === 'object' && !Array.isArray(value))) return value;
  if (INTEGER.test(text)) return { __function_input: text.trim() }; // as text: so it has always been
  throw badInput(`the input is a JSON ${nameOf(value)}; this calling convention takes a JSON object, an integer,`
    + ' or text that is not JSON');
}

function toText(body) {
  const text = body.toString();
  if (isText(text, body)) return text;
  throw badInput('the input is not UTF-8; send a JSON object or plain text');
}

function nameOf(value) {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' ? 'number that is no integer' : typeof value;
}

function toAnswer(result) {
  return { status: 200, headers: JSON_HEADERS, body: toJson(result) };
}

/** What `undefined` is to JavaScript, null is to JSON. */
function toJson(result) {
  let text;
  try {
    text = JSON.stringify(result === undefined ? null : result);
  } catch (error) {
    throw notJson(`the result is not JSON: ${error.message}; return only objects, arrays, strings, numbers, booleans and null`);
  }
  if (text === undefined) throw notJson(`the result is not JSON: it is a ${typeof result}; return what it makes instead`);
  return text;
}

module.exports = prepare;
