// node node_server.js CERTIFICATE TLS_PORT H2C_PORT ACCESS_LOG: see base.py. SIGUSR2 says goodbye to all connections.
'use strict';
const fs = require('fs');
const http2 = require('http2');

const [certificate, tlsPort, h2cPort, logPath] = process.argv.slice(2);
const log = fs.openSync(logPath, 'a');
const pem = fs.readFileSync(certificate);
const sessions = new Set();
const PERIOD = 251;
const contents = new Map();

function content(size) {
  if (!contents.has(size)) {
    const octets = Buffer.alloc(size);
    for (let i = 0; i < size; i++) octets[i] = i % PERIOD;
    contents.set(size, octets);
  }
  return contents.get(size);
}

function answer(stream, type, body) {
  stream.respond({ ':status': 200, 'content-type': type, 'content-length': Buffer.byteLength(body) });
  stream.end(body);
}

function onStream(stream, headers) {
  const target = headers[':path'];
  const path = target.split('?')[0];
  fs.writeSync(log, target + '\n');
  stream.on('error', () => {});
  if (path.startsWith('/bytes/')) {
    answer(stream, 'application/octet-stream', content(Number(path.slice(7))));
  } else if (path === '/echo') {
    const fields = Object.entries(headers).filter(([name]) => !name.startsWith(':'));
    answer(stream, 'application/json', JSON.stringify({ method: headers[':method'], target, headers: fields }));
  } else if (path === '/trailers') {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-note': headers[':method'] }));
    stream.end('a body');
  } else if (path === '/drain') {
    let size = 0;
    stream.on('data', (piece) => { size += piece.length; });
    stream.on('end', () => answer(stream, 'text/plain', String(size)));
  } else {
    stream.respond({ ':status': 404 }, { endStream: true });
  }
}

// Megabytes that a session may hold: by default ten, so that it would refuse further streams beside one large answer.
const options = { maxSessionMemory: 500 };
const servers = [
  [http2.createSecureServer({ ...options, key: pem, cert: pem, allowHTTP1: false }), tlsPort],
  [http2.createServer(options), h2cPort],
];
for (const [server, port] of servers) {
  server.on('stream', onStream);
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server.listen(Number(port), '127.0.0.1');
}
fs.writeFileSync(logPath + '.pid', String(process.pid)); // `node` on the path may be a script that starts it
process.on('SIGUSR2', () => { for (const session of sessions) session.close(); });
