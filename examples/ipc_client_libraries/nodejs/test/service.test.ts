/** The client and a real service, if there is a Python here that has acton_trio. */

import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import * as acton from 'acton-ipc';
import { ActonClient, type ClientOptions } from 'acton-ipc';

import { messagePack } from './messagepack.js';
import { collect, failureOf } from './stub.js';

const SERVICE = fileURLToPath(new URL('../../test/service.py', import.meta.url));

function findPython(): string | undefined {
  const candidates = [process.env['ACTON_PYTHON'], 'python', 'python3'];
  return candidates.find((name) => {
    return name !== undefined && spawnSync(name, ['-c', 'import acton_trio']).status === 0;
  });
}

const python = findPython();
const skip = python === undefined && 'no Python here has acton_trio; ACTON_PYTHON may name one';

suite('a real service', { skip }, () => {
  let service: ChildProcess;
  let complaints = '';
  const folder = mkdtempSync(join(tmpdir(), 'acton-'));
  const path = join(folder, 'ipc.sock');

  before(async () => {
    service = spawn(python!, [SERVICE, path], { stdio: 'pipe' });
    service.stderr!.on('data', (bytes) => (complaints += String(bytes)));
    const lines = createInterface(service.stdout!);
    const [line] = (await Promise.race([once(lines, 'line'), once(lines, 'close')])) as [string];
    assert.equal(line, 'listening', complaints);
  });

  after(async () => {
    const exiting = once(service, 'exit');
    service.stdin!.end();
    const [code] = (await exiting) as [number];
    rmSync(folder, { recursive: true });
    assert.equal(code, 0, complaints);
  });

  async function withClient(
    use: (client: ActonClient) => Promise<void>,
    options: ClientOptions = {},
  ): Promise<void> {
    await using client = new ActonClient(path, options);
    await use(client);
  }

  test('values come back as they went', async () => {
    const values = [
      null,
      true,
      'ü 😀 \u0000',
      1.5,
      -7,
      [1, [2]],
      { a: { b: [] } },
      2n ** 63n - 1n,
      2 ** 52,
    ];
    for (const options of [{}, { messagePack }]) {
      await withClient(async (client) => {
        for (const value of values) {
          assert.deepEqual(await client.send('lab', 'Echo', { value }), value);
        }
      }, options);
    }
    await withClient(async (client) => {
      const value = 2n ** 200n;
      assert.equal(await client.send('lab', 'Echo', { value }), value);
    });
  });

  test('bytes travel', async () => {
    const data = new Uint8Array([0, 255, 16]);
    await withClient(async (client) => {
      assert.equal(await client.send('lab', 'Bytes', { data }), 'AP8Q');
    });
    await withClient(
      async (client) => {
        assert.deepEqual(await client.send('lab', 'Bytes', { data }), Buffer.from(data));
      },
      { messagePack },
    );
  });

  test('headers travel', async () => {
    await withClient(async (client) => {
      const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
      assert.deepEqual(await client.send('lab', 'Headers', null, { headers }), headers);
    });
  });

  test('large messages pass both ways at once', async () => {
    await withClient(async (client) => {
      const values = Array.from({ length: 8 }, (_, n) => String(n).repeat(2_000_000));
      const replies = values.map((value) => client.send('lab', 'Echo', { value }));
      assert.deepEqual(await Promise.all(replies), values);
    });
  });

  test('more requests than the server takes at once are all answered', async () => {
    await withClient(async (client) => {
      const values = Array.from({ length: 2_000 }, (_, n) => n);
      const replies = values.map((value) => client.send('lab', 'Echo', { value }));
      assert.deepEqual(await Promise.all(replies), values);
    });
  });

  test('version 1 is answered in version 1', async () => {
    await withClient(
      async (client) => {
        assert.equal(await client.send('lab', 'Echo', { value: 1 }), 1);
        assert.ok((await client.heartbeat()) > 0);
      },
      { version: 1 },
    );
  });

  test('each failure has its error', async () => {
    await withClient(async (client) => {
      const failures: [() => Promise<unknown>, Function][] = [
        [() => client.send('nobody', 'Echo'), acton.ActorNotFoundError],
        [() => client.send('lab', 'NoSuchType'), acton.UnknownMessageTypeError],
        [() => client.send('lab', 'Echo', { wrong: 1 }), acton.SerializationError],
        [() => client.send('lab', 'Crash'), acton.HandlerFailedError],
        [() => client.send('lab', 'Mute'), acton.NoReplyError],
        [() => client.send('lab', 'Order'), acton.RejectedError],
        [() => client.send('lab', 'Echo', { value: 1 }, { timeout: 0 }), acton.TimeoutError],
        [() => client.stream('nobody', 'Count', { upto: 1 }).next(), acton.StreamError],
        [() => client.fireAndForget('nobody', 'Announce'), acton.ActorNotFoundError],
      ];
      for (const [call, Class] of failures) {
        assert.equal((await failureOf(call())).constructor, Class);
      }
      const rejected = await failureOf(client.send('lab', 'Order'));
      assert.deepEqual([rejected.messageType, rejected.fields], ['SoldOut', { left: 3 }]);
    });
  });

  test('the server keeps the time that it is told', async () => {
    await withClient(
      async (client) => {
        const error = await failureOf(client.send('lab', 'Idle', null, { timeout: 1 }));
        assert.equal(error.constructor, acton.TimeoutError);
        assert.equal(error.isLocal, false);
      },
      { grace: 60_000 },
    );
  });

  test('a stream gives every item, in either format', async () => {
    const numbers = Array.from({ length: 1_000 }, (_, n) => n);
    for (const options of [{}, { messagePack }]) {
      await withClient(async (client) => {
        assert.deepEqual(await collect(client.stream('lab', 'Count', { upto: 1_000 })), numbers);
      }, options);
    }
  });

  test('a stream that is left is given up by the server', async () => {
    for (const options of [{}, { messagePack }]) {
      await withClient(async (client) => {
        for await (const number of client.stream(
          'lab',
          'Count',
          { upto: 1e12 },
          { timeout: Infinity },
        )) {
          if (number === 3) break;
        }
        assert.equal(await client.send('lab', 'GivenUp'), 'Count');
      }, options);
    }
  });

  test('a request whose signal aborts is given up by the server', async () => {
    await withClient(async (client) => {
      const controller = new AbortController();
      const options = { signal: controller.signal, timeout: Infinity };
      const news = client.subscribe('News');
      const failing = failureOf(client.send('lab', 'Wait', null, options));
      await news.next();
      controller.abort();
      assert.equal((await failing).name, 'AbortError');
      assert.equal(await client.send('lab', 'GivenUp'), 'Wait');
    });
  });

  test('pushes come, and what is lost is counted', async () => {
    await withClient(async (client) => {
      const subscription = client.subscribe<{ number: number }>('News');
      await subscription.ready;
      await client.fireAndForget('lab', 'Announce', { count: 500 });
      let accounted = 0;
      for await (const { payload, dropped } of subscription) {
        accounted += dropped + 1;
        assert.equal(payload.number, accounted - 1);
        // The last ones may be lost without a word until there is another push.
        if (payload.number >= 50) break;
      }
      assert.deepEqual(await client.unsubscribe([]), []);
    });
  });

  test('discovery tells what is there', async () => {
    await withClient(async (client) => {
      const { actors, messageTypes, schemas, protocol } = await client.discover({ schemas: true });
      assert.equal(actors[0]?.name, 'lab');
      assert.ok(actors[0].accepts?.includes('Count'));
      assert.ok(messageTypes.includes('News'));
      assert.deepEqual((schemas?.['Count'] as any).required, ['upto']);
      assert.equal(protocol.capabilities.cancel, true);
    });
  });

  test('one connection too many is refused, with the limit', async () => {
    // Some of an earlier test may not have been missed yet: as many as there is room for.
    const clients: ActonClient[] = [];
    let outcome: unknown;
    while (outcome === undefined || typeof outcome === 'number') {
      const client = new ActonClient(path);
      clients.push(client);
      outcome = await client.heartbeat().catch((reason: unknown) => reason);
    }
    assert.ok(outcome instanceof acton.ConnectionRefusedError);
    assert.deepEqual([outcome.code, outcome.limit], ['CONNECTION_LIMIT_REACHED', 16]);
    await Promise.all(clients.map((client) => client.close()));
  });
});
