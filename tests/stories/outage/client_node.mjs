// A client on Node.js that asks, through the loss of its peer:
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

// Asks one thing after another; returns when the connection is lost.
async function askUntilLost(client) {
  for (;;) {
    if (stopped) return;
    const id = `node-${number++}`;
    say(`? ${id}`);
    try {
      const answer = await client.send('ledger', 'Record', { id });
      if (answer !== id) throw new Error(`${id} was answered with ${answer}`);
      say(`= ${id} ok`);
    } catch (error) {
      if (!(error instanceof PeerLostError)) throw error;
      say(`= ${id} PeerLostError`);
      return;
    }
  }
}

// Asks over one connection after another.
async function askOn() {
  while (!stopped) {
    const client = new ActonClient(path);
    try {
      await client.connect();
      await askUntilLost(client);
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
await Promise.all([askOn(), askOn(), askOn()]);
