'use strict';

// The content type of a body that nobody has named, by its first bytes. A part of the rules of the MIME sniffing
// standard, which Go's HTTP server applies: what functions answer, not each font and archive.

const FIRST = 512; // bytes that are looked at
const HTML = /^\s*<(!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|!--)[\s>]/i;
const SIGNATURES = [
  [/^\s*<\?xml/, 'text/xml; charset=utf-8'],
  [/^%PDF-/, 'application/pdf'],
  [/^\x89PNG\r\n\x1a\n/, 'image/png'],
  [/^GIF8[79]a/, 'image/gif'],
  [/^\xff\xd8\xff/, 'image/jpeg'],
  [/^RIFF....WEBPVP/s, 'image/webp'],
  [/^PK\x03\x04/, 'application/zip'],
  [/^\x1f\x8b\x08/, 'application/x-gzip'],
  [/[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]/, 'application/octet-stream'],
];

/** `body` is a string or a Buffer. */
function sniff(body) {
  const start = typeof body === 'string' ? body.slice(0, FIRST) : body.toString('latin1', 0, FIRST);
  if (HTML.test(start)) return 'text/html; charset=utf-8';
  return SIGNATURES.find(([pattern]) => pattern.test(start))?.[1] ?? 'text/plain; charset=utf-8';
}

module.exports = { sniff };
