// Lets several servers be one chat: what one broadcasts, all of them do, over Redis Pub/Sub.
import { createAdapter } from '@socket.io/redis-adapter';
import { createClient } from 'redis';

// Sends the broadcasts of `io` through the Redis at `url`, and hears those of the others.
export async function shareBroadcasts(io, url) {
  const publisher = createClient({ url });
  const subscriber = publisher.duplicate();
  for (const client of [publisher, subscriber]) {
    // The client tries again by itself; without a listener its error would end the process.
    client.on('error', (error) => console.error(`redis: ${error.message}`));
    await client.connect();
  }
  io.adapter(createAdapter(publisher, subscriber));
}
