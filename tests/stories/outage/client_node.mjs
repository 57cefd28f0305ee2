// A client on Node.js that asks, streams and listens, through the loss of its peer:
//
//     node client_node.mjs LIBRARY SOCKET
//
// It goes on until its standard input ends.

import process from 'node:process';

const [library, path] = process.argv.slice(2);
const { ActonClient, ConnectError, PeerLostError } = await import(library);

let stopped = false;
let number = 0;

const say = (text) => process.stdout.write(`${text}\n`);

// Asks one thing.
async function ask(client, id) {
  const answer = await client.send('ledger', 'Record', { id });
  if (answer !== id) throw new Error(`${id} was answered with ${answer}`);
}

// Reads one stream to its end.
async function stream(client, id) {
  const numbers = [];
  for await (const each of client.stream('ledger', 'Feed', { id, upto: 20 })) {
    numbers.push(each);
  }
  if (numbers.length !== 20) throw new Error(`${id} had ${numbers.length} replies`);
}

// Does one thing after another; returns when the connection is lost.
async function goOnUntilLost(client, work) {
  while (!stopped) {
    const id = `node-${number++}`;
    say(`? ${id}`);
    try {
      await work(client, id);
      say(`= ${id} ok`);
    } catch (error) {
      if (!(error instanceof PeerLostError)) throw error;
      say(`= ${id} PeerLostError`);
      return;
    }
  }
}

// Does so over one connection after another.
async function goOn(work) {
  while (!stopped) {
    const client = new ActonClient(path);
    try {
      await client.connect();
      await goOnUntilLost(client, work);
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      await client.close();
    }
  }
}

process.stdin.on('end', () => {
  stopped = true;
});
process.stdin.resume();
await Promise.all([goOn(ask), goOn(ask), goOn(stream)]);
