/** Messages with many replies, and those that come unasked. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as acton from 'acton-ipc';

import { PUSH, RESPONSE, STREAM, SUBSCRIBE, UNSUBSCRIBE, withServer, type Body } from './stub.js';

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

function push(value: number, more: Body = {}): Body {
  return {
    notification_id: `push_${value}`,
    message_type: 'PriceUpdate',
    payload: { price: value },
    timestamp_ms: 1_700_000_000_000,
    ...more,
  };
}

test('a stream gives every item and ends', async () => {
  await withServer(
    async (peer) => {
      const { correlation_id, expects_stream } = await peer.read();
      assert.equal(expects_stream, true);
      for (let sequence = 0; sequence < 3; sequence++) {
        peer.write(STREAM, { correlation_id, sequence, is_final: false, payload: sequence });
        peer.write(PUSH, push(sequence));
      }
      peer.write(STREAM, { correlation_id, sequence: 3, is_final: true });
    },
    async (client) => {
      assert.deepEqual(await collect(client.stream('search', 'Query', {})), [0, 1, 2]);
    },
  );
});

test('a stream throws the error of its last frame after its items', async () => {
  await withServer(
    async (peer) => {
      const { correlation_id } = await peer.read();
      peer.write(STREAM, { correlation_id, sequence: 0, is_final: false, payload: 1 });
      const error = { error: 'gone', error_code: 'STREAM_ERROR' };
      peer.write(STREAM, { correlation_id, sequence: 1, is_final: true, ...error });
    },
    async (client) => {
      const stream = client.stream('search', 'Query', {});
      assert.deepEqual(await stream.next(), { value: 1, done: false });
      await assert.rejects(stream.next(), { name: 'ServerError', code: 'STREAM_ERROR' });
      assert.deepEqual(await stream.next(), { value: undefined, done: true });
    },
  );
});

test('a stream ends on a plain error', async () => {
  await withServer(
    async (peer) => peer.fail((await peer.read())['correlation_id'], 'SHUTTING_DOWN'),
    async (client) => {
      await assert.rejects(collect(client.stream('search', 'Query')), acton.ShuttingDownError);
    },
  );
});

test('a stream that stalls times out', async () => {
  await withServer(
    async (peer) => void (await peer.read()),
    async (client) => {
      await client.connect();
      const stream = client.stream('search', 'Query', {}, { timeout: 20 });
      await assert.rejects(collect(stream), acton.TimeoutError);
    },
  );
});

test('a stream that is left early disturbs nobody', async () => {
  await withServer(
    async (peer) => {
      const { correlation_id } = await peer.read();
      peer.write(STREAM, { correlation_id, sequence: 0, is_final: false, payload: 'first' });
      const request = await peer.read();
      peer.write(STREAM, { correlation_id, sequence: 1, is_final: false, payload: 'second' });
      peer.answer(request, 'answer');
    },
    async (client) => {
      for await (const item of client.stream('search', 'Query')) {
        assert.equal(item, 'first');
        break;
      }
      assert.equal(await client.send('a', 'Ping'), 'answer');
    },
  );
});

test('a signal ends a stream', async () => {
  await withServer(
    async (peer) => void (await peer.read()),
    async (client) => {
      await client.connect();
      const reason = new Error('changed my mind');
      const controller = new AbortController();
      const stream = client.stream('search', 'Query', {}, { signal: controller.signal });
      setTimeout(() => controller.abort(reason), 20);
      await assert.rejects(collect(stream), reason);
    },
  );
});

test('pushes come in order, also before the confirmation, and leaving unsubscribes', async () => {
  await withServer(
    async (peer) => {
      const { correlation_id, message_types } = await peer.read(SUBSCRIBE);
      assert.deepEqual(message_types, ['PriceUpdate']);
      peer.write(PUSH, push(1));
      const body = { correlation_id, success: true, subscribed_types: message_types };
      peer.write(RESPONSE, body);
      peer.write(PUSH, push(9, { message_type: 'StatusChange' }));
      peer.write(PUSH, push(2, { dropped: 5, source_actor: 'prices' }));
      const request = await peer.read(UNSUBSCRIBE);
      assert.deepEqual(request['message_types'], ['PriceUpdate']);
      peer.answer(request, null);
    },
    async (client) => {
      const subscription = client.subscribe<{ price: number }>('PriceUpdate');
      await subscription.ready;
      const seen: acton.Push<{ price: number }>[] = [];
      for await (const message of subscription) {
        seen.push(message);
        if (seen.length === 2) break;
      }
      assert.deepEqual(seen.map(({ payload }) => payload.price), [1, 2]);
      assert.deepEqual(seen.map(({ dropped }) => dropped), [0, 5]);
      assert.equal(seen[1]?.sourceActor, 'prices');
      assert.equal(await client.send('a', 'Ping').catch(() => 'left'), 'left');
    },
    { timeout: 50 },
  );
});

test('leaving one subscription keeps the types of another', async () => {
  await withServer(
    async (peer) => {
      peer.answer(await peer.read(SUBSCRIBE), null);
      peer.answer(await peer.read(SUBSCRIBE), null);
      await peer.read(SUBSCRIBE);
      const request = await peer.read(UNSUBSCRIBE);
      assert.deepEqual(request['message_types'], ['StatusChange']);
      peer.write(PUSH, push(1));
    },
    async (client) => {
      const prices = client.subscribe('PriceUpdate');
      const both = client.subscribe(['PriceUpdate', 'StatusChange']);
      await both.ready;
      await client.subscribe('PriceUpdate').return?.();
      await both.return?.();
      assert.equal((await prices.next()).done, false);
    },
  );
});

test('unread pushes are bounded and counted', async () => {
  await withServer(
    async (peer) => {
      peer.answer(await peer.read(SUBSCRIBE), null);
      for (let number = 0; number < 1030; number++) peer.write(PUSH, push(number));
      peer.answer(await peer.read(), null);
      const request = await peer.read();
      peer.write(PUSH, push(2000, { dropped: 1 }));
      peer.answer(request, null);
    },
    async (client) => {
      const subscription = client.subscribe('PriceUpdate');
      await client.send('a', 'Ping');
      for (let number = 0; number < 1024; number++) {
        const { value } = await subscription.next();
        assert.equal(value?.dropped, 0);
      }
      await client.send('a', 'Ping');
      assert.equal((await subscription.next()).value?.dropped, 6 + 1);
    },
  );
});

test('a subscription that is refused throws from its loop', async () => {
  await withServer(
    async (peer) => {
      const { correlation_id } = await peer.read(SUBSCRIBE);
      const error = 'Parse error: no';
      peer.write(3, { correlation_id, success: false, error, subscribed_types: [] });
    },
    async (client) => {
      await assert.rejects(collect(client.subscribe('PriceUpdate')), acton.ServerError);
    },
  );
});

test('a signal ends a subscription', async () => {
  await withServer(
    async (peer) => {
      peer.answer(await peer.read(SUBSCRIBE), null);
    },
    async (client) => {
      await client.connect();
      const signal = AbortSignal.timeout(30);
      await assert.rejects(collect(client.subscribe('PriceUpdate', { signal })), {
        name: 'TimeoutError',
      });
    },
  );
});

test('closing the client ends loops over pushes and fails streams', async () => {
  await withServer(
    async (peer) => {
      peer.answer(await peer.read(SUBSCRIBE), null);
      const { correlation_id } = await peer.read();
      peer.write(STREAM, { correlation_id, sequence: 0, is_final: false, payload: 1 });
    },
    async (client) => {
      const pushes = collect(client.subscribe('PriceUpdate'));
      const stream = client.stream('search', 'Query');
      await stream.next();
      const items = collect(stream);
      await Promise.all([
        assert.rejects(items, acton.ConnectionClosedError),
        client.close(),
        pushes.then((seen) => assert.deepEqual(seen, [])),
      ]);
    },
  );
});
