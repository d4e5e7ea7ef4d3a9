// WIRELAB_CLIENTS sockets that count their messages; says how many on SIGTERM.
const WebSocket = require("ws");

const clients = Number(process.env.WIRELAB_CLIENTS);
const url = `${process.env.WIRELAB_URL.replace("http", "ws")}/topics/${process.env.WIRELAB_TOPIC}/ws`;
// Handshakes that are under way at a time: fewer than an accept queue holds.
const AT_ONCE = 100;
let begun = 0;
let messages = 0;

function connect() {
  if (begun === clients) return;
  begun += 1;
  const socket = new WebSocket(url, { perMessageDeflate: false });
  socket.on("open", connect);
  socket.on("message", () => {
    messages += 1;
  });
  socket.on("error", (error) => {
    console.error(String(error));
    process.exit(1);
  });
}

process.on("SIGTERM", () => {
  console.log(JSON.stringify({ messages }));
  process.exit(0);
});
for (let i = 0; i < AT_ONCE; i += 1) connect();
