// The official Socket.IO server, for loadgen's tests: Wirelab's feed, a chat with rooms, and one behind a door.
//
//   node server.js [--binary] [--no-upgrade] [--ping-interval MS] [--throw-out-after MS]
//
// --binary sends each payload as an attachment; --no-upgrade offers polling alone; --throw-out-after ends all
// sessions once, so long after the first publication. It listens on a free port of loopback, says so on stdout, and ends when
// its stdin does.
"use strict";

const http = require("node:http");
const { Server } = require("socket.io");

const words = process.argv.slice(2);
const isBinary = words.includes("--binary");
const numberAfter = (word) => (words.includes(word) ? Number(words[words.indexOf(word) + 1]) : undefined);
const pingEvery = numberAfter("--ping-interval");
const throwOutAfter = numberAfter("--throw-out-after");

const EPOCH = "node1";
/** Per topic, every notification that was published: offset n stands at index n - 1. */
const logs = new Map();

function logOf(topic) {
  if (!logs.has(topic)) logs.set(topic, []);
  return logs.get(topic);
}

let isFirst = true;

function publish(topic, text) {
  if (isFirst && throwOutAfter) setTimeout(() => io.disconnectSockets(true), throwOutAfter);
  isFirst = false;
  const log = logOf(topic);
  const payload = isBinary ? Buffer.from(JSON.stringify(text)) : text;
  const notification = { type: "notification", topic, id: log.length + 1, timestamp: Date.now() * 1000, payload };
  log.push(notification);
  io.to(topic).emit("notification", notification);
  return { id: notification.id, epoch: EPOCH };
}

const server = http.createServer((request, response) => {
  const topic = request.method === "POST" && /^\/topics\/([\w.-]+)$/.exec(request.url)?.[1];
  if (!topic) return response.writeHead(404).end();
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const answer = JSON.stringify(publish(topic, JSON.parse(Buffer.concat(pieces).toString())));
    response.writeHead(201, { "Content-Type": "application/json" }).end(answer);
  });
});

const io = new Server(server, {
  transports: words.includes("--no-upgrade") ? ["polling"] : ["polling", "websocket"],
  ...(pingEvery && { pingInterval: pingEvery, pingTimeout: pingEvery }),
});

io.on("connection", (socket) => {
  socket.on("subscribe", ({ topic, after }, acknowledge) => {
    const log = logOf(topic);
    const offset = after === undefined ? log.length : Number(after.split(":")[1]);
    socket.join(topic);
    acknowledge({ epoch: EPOCH, offset, recovered: true });
    for (const notification of log.slice(offset)) socket.emit("notification", notification);
  });
  // What chat servers do: rooms, and messages that everybody in the speaker's rooms gets.
  socket.on("join", (room) => socket.join(room));
  socket.on("chat message", (text) => io.to([...socket.rooms]).emit("chat message", text));
});

// A namespace with a door, where every message is acknowledged, in an order of its own.
io.of("/members").use((socket, next) => {
  next(socket.handshake.auth.token === "open-sesame" ? undefined : new Error("not a member"));
});
io.of("/members").on("connection", (socket) => {
  socket.on("join", (room) => socket.join(room));
  socket.on("say", ({ room, text }, acknowledge) => {
    io.of("/members").to(room).emit("said", text);
    setTimeout(acknowledge, Math.random() * 20);
  });
});

server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
process.stdin.on("end", () => process.exit(0)).resume();
