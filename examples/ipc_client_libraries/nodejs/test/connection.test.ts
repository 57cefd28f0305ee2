/** The connection itself: how it begins and how it ends. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';

import * as acton from 'acton-ipc';
import { ActonClient } from 'acton-ipc';

import { ERROR, frame, HEARTBEAT, newPath, RESPONSE, withServer, type Body } from './stub.js';

const SENTINEL = '__acton_connection_rejected__';

test('the end of the connection rejects what is pending and what comes later', async () => {
  await withServer(
    async (peer) => {
      await peer.read();
      peer.socket.end();
    },
    async (client) => {
      const pending = client.send('a', 'Ping');
      const loop = client.subscribe('PriceUpdate').next();
      await assert.rejects(pending, {
        name: 'ConnectionClosedError',
        message: 'closed by the server',
      });
      await assert.rejects(loop, acton.ConnectionClosedError);
      await assert.rejects(client.send('a', 'Ping'), acton.ConnectionClosedError);
    },
  );
});

test('the end inside a frame rejects at once', async () => {
  await withServer(
    async (peer) => {
      const { correlation_id } = await peer.read();
      peer.socket.end(frame(RESPONSE, { correlation_id, success: true }).subarray(0, -1));
    },
    async (client) => {
      await assert.rejects(client.send('a', 'Ping'), acton.ConnectionClosedError);
    },
  );
});

test('an answer before the end counts', async () => {
  await withServer(
    async (peer) => {
      peer.answer(await peer.read(), 'goodbye');
      peer.socket.end();
    },
    async (client) => {
      assert.equal(await client.send('a', 'Ping'), 'goodbye');
    },
  );
});

test('the last words of a server are passed on', async () => {
  await withServer(
    async (peer) => {
      await peer.read();
      peer.fail('unknown', 'PROTOCOL_ERROR');
      peer.socket.end();
    },
    async (client) => {
      await assert.rejects(client.send('a', 'Ping'), {
        name: 'ConnectionClosedError',
        message: /text of PROTOCOL_ERROR/,
      });
    },
  );
});

test('a full server says so, in every call', async () => {
  await withServer(
    (peer) => {
      peer.fail(SENTINEL, 'CONNECTION_LIMIT_REACHED', { payload: { limit: 3 } });
      peer.socket.end();
    },
    async (client) => {
      const expected = { name: 'ConnectionLimitError', limit: 3 };
      await assert.rejects(client.send('a', 'Ping'), expected);
      await assert.rejects(client.send('a', 'Ping'), expected);
    },
  );
});

test('a refusal is read though the server left before we wrote', async () => {
  const path = await newPath();
  const body = { correlation_id: SENTINEL, success: false, error_code: 'ACCESS_DENIED' };
  const refusal = frame(ERROR, body);
  // In a thread of its own, so that it can leave while we are busy.
  const server = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     const server = require('node:net').createServer((socket) => {
       server.close();
       socket.end(workerData.refusal, () => socket.destroy());
     });
     server.listen(workerData.path, () => parentPort.postMessage('listening'));`,
    { eval: true, workerData: { path, refusal } },
  );
  await once(server, 'message');
  const client = new ActonClient(path);
  const call = client.send('a', 'Ping');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  await assert.rejects(call, acton.AccessDeniedError);
});

test('other refusals are told apart', async () => {
  const refusals: [string, Function][] = [
    ['ACCESS_DENIED', acton.AccessDeniedError],
    ['OF_THE_FUTURE', acton.ProtocolError],
  ];
  for (const [code, Class] of refusals) {
    await withServer(
      (peer) => {
        peer.fail(SENTINEL, code);
        peer.socket.end();
      },
      async (client) => {
        const error: unknown = await client.send('a', 'Ping').catch((reason: unknown) => reason);
        assert.equal((error as object).constructor, Class);
        assert.match(String(error), new RegExp(code));
      },
    );
  }
});

test('faulty frames end the connection', async () => {
  const change = (index: number, value: number) => {
    const bytes = frame(HEARTBEAT, {});
    bytes[index] = value;
    return bytes;
  };
  const faults: Record<string, Buffer> = {
    'protocol version': change(4, 3),
    'frame type': change(5, 0x63),
    'format': change(6, 2),
    'exceeds the limit': Buffer.from([1, 0, 0, 1, 2, RESPONSE, 1]),
    'not JSON': Buffer.from([0, 0, 0, 1, 2, RESPONSE, 1, 0x7b]),
    'not an object': Buffer.from([0, 0, 0, 2, 2, RESPONSE, 1, 0x5b, 0x5d]),
  };
  for (const [name, bytes] of Object.entries(faults)) {
    await withServer(
      async (peer) => {
        await peer.read();
        peer.socket.write(bytes);
      },
      async (client) => {
        const expected = { name: 'ProtocolError', message: new RegExp(name) };
        await assert.rejects(client.send('a', 'Ping'), expected);
        await assert.rejects(client.send('a', 'Ping'), expected);
      },
    );
  }
});

test('closing rejects what is pending', async () => {
  await withServer(
    async (peer) => void (await peer.read()),
    async (client) => {
      await client.connect();
      const pending = client.send('a', 'Slow');
      await Promise.all([
        assert.rejects(pending, acton.ConnectionClosedError),
        new Promise((resolve) => setTimeout(resolve, 20)).then(() => client.close()),
      ]);
      await client.close();
      await assert.rejects(client.send('a', 'Ping'), acton.ConnectionClosedError);
    },
  );
});

test('a client is disposable', async () => {
  await withServer(
    async (peer) => peer.answer(await peer.read(), 'fine'),
    async (client) => {
      await client.send('a', 'Ping');
      await client[Symbol.asyncDispose]();
      await assert.rejects(client.send('a', 'Ping'), acton.ConnectionClosedError);
    },
  );
});

test('nobody listens', async () => {
  const client = new ActonClient(await newPath());
  await assert.rejects(client.send('a', 'Ping'), { name: 'ConnectError', message: /ipc\.sock/ });
  await assert.rejects(client.connect(), acton.ConnectError);
  await client.close();
});

test('a server that comes up later is found', async () => {
  const path = await newPath();
  const client = new ActonClient(path);
  await assert.rejects(client.connect(), acton.ConnectError);
  await withServer(
    async (peer) => {
      peer.answer(await peer.read(), 'fine');
    },
    async () => {
      assert.equal(await client.send('a', 'Ping'), 'fine');
      await client.close();
    },
    {},
    path,
  );
});

test('a program that forgets to close ends nevertheless', async () => {
  const path = await newPath();
  const program = `
    import { ActonClient } from 'acton-ipc';
    const client = new ActonClient(${JSON.stringify(path)});
    console.log(await client.send('my-service', 'GetValue', {}));
  `;
  await withServer(
    async (peer) => peer.answer(await peer.read(), { value: 42 }),
    async () => {
      const run = promisify(execFile);
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], {
        timeout: 10_000,
      });
      assert.equal(stdout, '{ value: 42 }\n');
    },
    {},
    path,
  );
});

test('the example sets a value and reads it back', async () => {
  const path = await newPath();
  await withServer(
    async (peer) => {
      const message: Body = await peer.read();
      assert.equal(message['message_type'], 'SetValue');
      peer.answer(message, { status: 'delivered' });
      peer.answer(await peer.read(), message['payload']);
    },
    async () => {
      const { stdout } = await promisify(execFile)(process.execPath, ['example.mjs', path], {
        timeout: 10_000,
      });
      assert.equal(stdout, 'Value: {"value":42}\n');
    },
    {},
    path,
  );
});
