// npm's EventSource against this server: node client.mjs URL EVENTS [LAST-EVENT-ID]. Prints each event as a line of JSON.
import { EventSource } from "eventsource";

const [url, events, lastEventId] = process.argv.slice(2);
let left = Number(events);
const fail = (why) => {
  console.log(`FAILED: ${why}`);
  process.exit(1);
};
setTimeout(() => fail("nothing more happened for 20 seconds"), 20_000).unref();

// What a browser sends when it comes back; this one comes for the first time.
const withId = (input, init) =>
  fetch(input, { ...init, headers: { ...init.headers, ...(lastEventId && { "Last-Event-ID": lastEventId }) } });
const source = new EventSource(url, { fetch: withId });
source.onerror = (error) => fail(`error ${error.code ?? ""} ${error.message ?? ""}`);
for (const type of ["subscribed", "gap", "message"]) {
  source.addEventListener(type, ({ data, lastEventId }) => {
    console.log(JSON.stringify({ type, data, id: lastEventId }));
    left -= 1;
    if (left === 0) source.close();
  });
}
