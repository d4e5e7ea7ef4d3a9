// Lets several servers be one chat: what one broadcasts, all of them do, over Redis Pub/Sub.
import { createAdapter } from '@socket.io/redis-adapter';
import { createClient } from 'redis';

// A client for the Redis at `url`. What is wrong with the URL is told without it: it may hold a password.
function clientFor(url) {
  try {
    return createClient({ url });
  } catch {
    console.error('error: REDIS_URL cannot be read: expected redis://[USER:PASSWORD@]HOST[:PORT], such as redis://127.0.0.1:6379');
    process.exit(1);
  }
}

// Sends the broadcasts of `io` through the Redis at `url`, and hears those of the others.
export async function shareBroadcasts(io, url) {
  const publisher = clientFor(url);
  const subscriber = publisher.duplicate();
  for (const client of [publisher, subscriber]) {
    // The client tries again by itself; without a listener its error would end the process.
    client.on('error', (error) => console.error(`redis: ${error.message}`));
    await client.connect();
  }
  io.adapter(createAdapter(publisher, subscriber));
}
