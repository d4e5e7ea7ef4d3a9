// A chat over ws: everyone is in one Map, what one says is sent to all, and who stays silent is let go.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';

// Port to listen on; 0 is a free one.
const PORT = Number(process.env.PORT ?? 0);
// How often every client is pinged, ms. Who has not answered the last ping when the next is due is terminated.
const PING_INTERVAL_MS = Number(process.env.PING_INTERVAL_MS ?? 30_000);
// Largest message of a client, bytes: 1 MiB, as feed-server has it. Beyond it ws closes with 1009.
const MAX_MESSAGE = 1024 * 1024;
// Connections that wait to be accepted: more than a ramp of thousands leaves at any instant.
const BACKLOG = 4096;
// Longest wait for clients to say goodbye when the server stops, ms.
const FAREWELL_MS = 1000;

const clients = new Map();

function send(socket, message) {
  socket.send(JSON.stringify(message));
}

function broadcast(message) {
  const data = JSON.stringify(message);
  for (const socket of clients.values()) {
    if (socket.readyState === WebSocket.OPEN) {
      socket.send(data);
    }
  }
}

function direct(from, { to, payload }) {
  const socket = clients.get(to);
  // One that is saying goodbye is in the Map until its connection is closed.
  if (socket?.readyState !== WebSocket.OPEN) {
    throw new Error(`there is no client \`${to}\`: expected the clientId of a welcome`);
  }
  send(socket, { type: 'direct', from, payload, timestamp: Date.now() });
}

// What a client may say: the type of its message, and what comes of it.
const handlers = {
  message: (from, { payload }) => broadcast({ type: 'message', from, payload, timestamp: Date.now() }),
  direct,
  echo: (from, { payload }) => send(clients.get(from), { type: 'echo', payload }),
  ping: (from) => send(clients.get(from), { type: 'pong', timestamp: Date.now() }),
};

function receive(id, data) {
  const message = JSON.parse(data);
  if (!Object.hasOwn(handlers, message?.type ?? '')) {
    throw new Error(`expected a JSON object whose type is one of ${Object.keys(handlers).join(', ')}`);
  }
  handlers[message.type](id, message);
}

const server = createServer((_request, response) => {
  response.writeHead(426, { 'Content-Type': 'text/plain', Upgrade: 'websocket' });
  response.end('this server speaks WebSocket\n');
});
const sockets = new WebSocketServer({ server, maxPayload: MAX_MESSAGE, perMessageDeflate: false });

sockets.on('connection', (socket) => {
  const id = randomUUID();
  clients.set(id, socket);
  socket.isAlive = true;
  socket.on('pong', () => {
    socket.isAlive = true;
  });
  socket.on('message', (data) => {
    try {
      receive(id, data);
    } catch (error) {
      send(socket, { type: 'error', message: error.message });
    }
  });
  socket.on('close', () => clients.delete(id));
  // ws closes the socket after an error; without a listener the error would end the process.
  socket.on('error', (error) => console.error(`client ${id}: ${error.message}`));
  send(socket, { type: 'welcome', clientId: id, clients: clients.size });
});

const heartbeat = setInterval(() => {
  for (const socket of clients.values()) {
    if (!socket.isAlive) {
      socket.terminate();
      continue;
    }
    socket.isAlive = false;
    socket.ping();
  }
}, PING_INTERVAL_MS);

function stop() {
  clearInterval(heartbeat);
  server.close(() => process.exit(0));
  for (const socket of clients.values()) {
    socket.close(1001, 'the server stops');
  }
  setTimeout(() => process.exit(0), FAREWELL_MS);
}

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
process.stdin.once('end', stop).resume();

server.listen({ port: PORT, host: '127.0.0.1', backlog: BACKLOG }, () => {
  console.log(`node-ws listening on http://127.0.0.1:${server.address().port}`);
});
