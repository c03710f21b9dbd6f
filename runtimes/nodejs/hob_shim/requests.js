'use strict';

// Views of a request that more than one convention has.

const TRIGGER = /^x-hob-trigger-/i; // said by the daemon, not meant for the function

/** Header names as Go writes them, `Content-Type`; of several values the last. */
function canonicalHeaders(headers) {
  const seen = {};
  for (const [name, value] of headers ?? []) {
    if (!TRIGGER.test(name)) seen[canonical(name)] = value;
  }
  return seen;
}

const canonical = (name) => name.toLowerCase().replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());

/** The first value of a header, or undefined. `name` in lower case. */
function header(headers, name) {
  return (headers ?? []).find(([each]) => each.toLowerCase() === name)?.[1];
}

/** Parameters of a query string; of several values the last. */
const queryFields = (query) => Object.fromEntries(new URLSearchParams(query ?? ''));

/** The path without percent signs; as it is when they are no escapes. */
function decodedPath(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Whether bytes are UTF-8. `text` is what they decode to. */
function isText(text, bytes) {
  return !text.includes('\ufffd') || Buffer.from(text).equals(bytes);
}

module.exports = { canonicalHeaders, decodedPath, header, isText, queryFields };
