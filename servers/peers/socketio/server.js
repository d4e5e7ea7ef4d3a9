// A chat over Socket.IO on Express: what is said in a room goes to all in it, across servers if they share a Redis.
import { createServer } from 'node:http';
import express from 'express';
import { Server } from 'socket.io';
import { shareBroadcasts } from './redis.js';

// Port to listen on; 0 is a free one.
const PORT = Number(process.env.PORT ?? 0);
// What a client must bring as `auth.token`; without it, everyone is let in.
const TOKEN = process.env.TOKEN;
// A Redis that carries broadcasts between servers, such as redis://127.0.0.1:6379; without it, this server is alone.
const REDIS_URL = process.env.REDIS_URL;
// How often every client is pinged, and how long its answer may take, ms: the library's defaults.
const PING_INTERVAL_MS = Number(process.env.PING_INTERVAL_MS ?? 25_000);
const PING_TIMEOUT_MS = Number(process.env.PING_TIMEOUT_MS ?? 20_000);
// How long a client that lost its connection may stay away and still be sent what it missed, ms.
const RECOVERY_MS = 120_000;
// Longest name of a room, characters: as feed-server has it for topics.
const ROOM_MAX = 128;
// Largest message of a client, bytes: 1 MiB, as feed-server has it. Beyond it the connection is closed.
const MESSAGE_MAX = 1024 * 1024;
// Connections that wait to be accepted: more than a ramp of thousands leaves at any instant.
const BACKLOG = 4096;
// Longest wait for clients to say goodbye when the server stops, ms.
const FAREWELL_MS = 1000;

const app = express();
app.get('/', (_request, response) => response.type('text').send('this server speaks Socket.IO at /socket.io/\n'));

const server = createServer(app);
const io = new Server(server, {
  connectionStateRecovery: { maxDisconnectionDuration: RECOVERY_MS },
  maxHttpBufferSize: MESSAGE_MAX,
  perMessageDeflate: false,
  pingInterval: PING_INTERVAL_MS,
  pingTimeout: PING_TIMEOUT_MS,
});

function checkRoom(room) {
  if (typeof room !== 'string' || room.length === 0 || room.length > ROOM_MAX) {
    throw new Error(`expected the name of a room, 1 to ${ROOM_MAX} characters`);
  }
}

// Listens to an event whose work may refuse what it is given. What came of it is acknowledged if the client asks for that; a
// refusal is told in any case, and nobody is cut off for it.
function listen(socket, event, work) {
  socket.on(event, (...given) => {
    const done = typeof given.at(-1) === 'function' ? given.pop() : undefined;
    try {
      const answer = work(...given);
      done?.({ status: 'ok', ...answer });
    } catch (error) {
      (done ?? ((answer) => socket.emit('refused', event, answer)))({ status: 'error', message: error.message });
    }
  });
}

// Each namespace has its own: what guards `/` guards no other.
function letIn(socket, next) {
  next(TOKEN === undefined || socket.handshake.auth?.token === TOKEN ? undefined : new Error('Access denied'));
}

io.use(letIn);

io.on('connection', (socket) => {
  listen(socket, 'chat message', (text) => {
    io.emit('chat message', text);
  });
  listen(socket, 'join', (room) => {
    checkRoom(room);
    socket.join(room);
    // Those of this server: others may have more.
    return { clients: io.sockets.adapter.rooms.get(room).size };
  });
  listen(socket, 'leave', (room) => {
    checkRoom(room);
    socket.leave(room);
  });
  listen(socket, 'say', (room, text) => {
    checkRoom(room);
    io.to(room).emit('said', room, text);
  });
});

// A namespace of its own, where every event comes back, acknowledged with what it carried.
io.of('/echo').use(letIn).on('connection', (socket) => {
  socket.onAny((event, ...given) => {
    const done = typeof given.at(-1) === 'function' ? given.pop() : undefined;
    socket.emit(event, ...given);
    done?.(...given);
  });
});

function stop() {
  setTimeout(() => process.exit(0), FAREWELL_MS).unref();
  io.close(() => process.exit(0));
}

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
process.stdin.once('end', stop).resume();

if (REDIS_URL !== undefined) {
  await shareBroadcasts(io, REDIS_URL);
}
server.listen({ port: PORT, host: '127.0.0.1', backlog: BACKLOG }, () => {
  console.log(`socketio listening on http://127.0.0.1:${server.address().port}`);
});
