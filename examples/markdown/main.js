'use strict';

// Markdown in, HTML out, block by block: the first heading is at the reader's before the last is made.
// The page is the caller's own text: nothing in it is taken out or made safe for others.

const { marked } = require('marked');
const { Readable } = require('stream');

/** The request's body is the text; `?title=` is the page's title. */
exports.handle = (event) => {
  const text = event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString() : event.body;
  const title = event.queryStringParameters?.title ?? 'Untitled';
  return { headers: { 'content-type': 'text/html; charset=utf-8' }, body: Readable.from(page(title, text)) };
};

function* page(title, text) {
  yield `<!doctype html>\n<meta charset="utf-8">\n<title>${escaped(title)}</title>\n`;
  const blocks = marked.lexer(text);
  console.log(`${blocks.length} blocks`);
  for (const block of blocks) yield marked.parser(Object.assign([block], { links: blocks.links }));
}

const escaped = (text) => text.replace(/[&<]/g, (letter) => ({ '&': '&amp;', '<': '&lt;' })[letter]);
