'use strict';

// The same as http_worker.py in Node.js: a `net` server that knows HTTP/1.1 keep-alive and calls /app/main.js.
// Of requests in one packet and packets in one request it understands both; routes, limits and records it has none.

const net = require('net');

const { main } = require('/app/main.js');

const PORT = 8080;
const END = '\r\n\r\n';

function answer(body) {
  const result = JSON.stringify(main({}, JSON.parse(body || '{}')));
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(result)}\r\n\r\n${result}`;
}

function contentLength(head) {
  const found = /\r\ncontent-length:\s*(\d+)/i.exec(head);
  return found ? Number(found[1]) : 0;
}

/** Answers all complete requests in `data` and returns what remains. */
function serve(socket, data) {
  for (;;) {
    const end = data.indexOf(END);
    if (end < 0) return data;
    const stop = end + END.length + contentLength(data.toString('latin1', 0, end));
    if (data.length < stop) return data;
    socket.write(answer(data.toString('utf8', end + END.length, stop)));
    data = data.subarray(stop);
  }
}

net.createServer((socket) => {
  let rest = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('data', (data) => { rest = serve(socket, rest.length ? Buffer.concat([rest, data]) : data); });
  socket.on('error', () => socket.destroy());
}).listen(PORT);
