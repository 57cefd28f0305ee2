// A driver of two cars, in another language than the car park.

import { ActonClient, RejectedError } from 'acton-ipc';

const client = new ActonClient('car-park.sock');
const news = client.subscribe('FreePlaces');
await news.ready;

const ticket = await client.send('car-park', 'Enter', { plate: 'AB 1' });
console.log(await client.send('car-park', 'GetTicket', { ticket }));
await client.send('car-park', 'Enter', { plate: 'CD 2' });
try {
  await client.send('car-park', 'Enter', { plate: 'EF 3' });
} catch (error) {
  if (!(error instanceof RejectedError)) throw error;
  console.log(error.messageType, error.fields);
}
await client.fireAndForget('car-park', 'Leave', { ticket });

let count = 0;
for await (const { payload } of news) {
  console.log(payload.count, 'free');
  count += 1;
  if (count === 3) break;
}
await client.close();
