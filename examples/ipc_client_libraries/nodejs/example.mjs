// Sets a value in a running service and reads it back: node example.mjs SOCKET

import { ActonClient } from 'acton-ipc';

const client = new ActonClient(process.argv[2]);
await client.fireAndForget('my-service', 'SetValue', { value: 42 });
const response = await client.send('my-service', 'GetValue', {});
console.log('Value:', JSON.stringify(response));
await client.close();
