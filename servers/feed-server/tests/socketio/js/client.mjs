// The official client against this server: node client.mjs URL (polling | websocket | upgrade). Prints what happens, one line each.
import { io } from "socket.io-client";

const [url, way] = process.argv.slice(2);
const transports = way === "upgrade" ? ["polling", "websocket"] : [way];
const topic = `js-${way}`;
const notifications = 40;
const say = (...words) => console.log(...words);
const fail = (why) => {
  say(`FAILED: ${why}`);
  process.exit(1);
};
setTimeout(() => fail("nothing more happened for 20 seconds"), 20_000).unref();

const socket = io(url, { transports, auth: { token: "secret" }, reconnection: false });
const engine = socket.io.engine;
engine.on("handshake", () => say(`session begun over ${engine.transport.name}`));
const upgraded = new Promise((done) => engine.on("upgrade", done));
socket.on("connect_error", (error) => fail(`connect_error: ${error.message}`));
await new Promise((connected) => socket.on("connect", connected));
say("connected");
if (way === "upgrade") say(`upgraded to ${(await upgraded).name}`);

const seen = [];
let enough;
const all = new Promise((done) => (enough = done));
socket.on("notification", (notification) => {
  seen.push(notification);
  if (seen.length === notifications) enough();
});

const start = await socket.emitWithAck("subscribe", { topic });
say(`subscribed at offset ${start.offset}, recovered ${start.recovered}`);
const ids = [];
for (let number = 1; number <= notifications; number++) {
  socket.emit("publish", { topic, payload: { number, text: "grüß Gott" } }, ({ id }) => ids.push(id));
}
await all;
const inOrder = seen.every(({ id, payload }, index) => id === index + 1 && payload.number === index + 1);
say(`received ${seen.length} notifications, in order: ${inOrder}, text whole: ${seen[0].payload.text === "grüß Gott"}`);
say(`acknowledged ${ids.length}, in order: ${ids.every((id, index) => id === index + 1)}`);

const again = await socket.emitWithAck("subscribe", { topic, after: `${start.epoch}:38` });
say(`continued at offset ${again.offset}, recovered ${again.recovered}`);
const gap = new Promise((told) => socket.once("gap", told));
const lost = await socket.emitWithAck("subscribe", { topic, after: "zzzz:1" });
say(`another epoch: recovered ${lost.recovered}, gap before offset ${(await gap).oldest.split(":")[1]}`);

const binary = new Promise((told) => socket.on("notification", (n) => n.content_type && told(n)));
await socket.emitWithAck("publish", { topic, payload: Buffer.from([1, 2, 3]) });
const { content_type, payload } = await binary;
say(`binary as ${content_type}: ${payload}`);
const refused = await socket.emitWithAck("publish", { topic: "a b", payload: 1 });
say(`refused: ${refused.error}`);

const stranger = io(`${url}/nowhere`, { transports, reconnection: false, forceNew: true });
const error = await new Promise((told) => stranger.on("connect_error", told));
say(`another namespace: ${error.message}`);
stranger.disconnect();

say(`still over ${engine.transport.name}`);
const gone = new Promise((told) => socket.on("disconnect", told));
socket.disconnect();
say(`disconnected: ${await gone}`);
