/** Messages to an actor and the answers to them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import * as acton from 'acton-ipc';

import { DISCOVER, frame, HEARTBEAT, PUSH, RESPONSE, withServer, type Body } from './stub.js';

test('send returns the payload of the reply', async () => {
  let request: Body = {};
  await withServer(
    async (peer) => {
      request = await peer.read();
      peer.answer(request, { value: 7 });
    },
    async (client) => {
      assert.deepEqual(await client.send('my-service', 'GetValue', {}), { value: 7 });
    },
  );
  const { correlation_id: id, ...rest } = request;
  assert.ok(id.length > 0 && id.length <= 245);
  assert.deepEqual(rest, {
    target: 'my-service',
    message_type: 'GetValue',
    payload: {},
    response_timeout_ms: 5_000,
    expects_reply: true,
  });
});

test('a missing payload travels as null', async () => {
  await withServer(
    async (peer) => {
      const request = await peer.read();
      peer.answer(request, { sent: request['payload'] });
    },
    async (client) => {
      assert.deepEqual(await client.send('a', 'Ping', undefined), { sent: null });
    },
  );
});

test('request tells the type of the reply', async () => {
  await withServer(
    async (peer) => {
      const { correlation_id } = await peer.read();
      const body = { correlation_id, success: true, payload: 1, of_the_future: 'ignored' };
      peer.write(RESPONSE, { ...body, message_type: 'ValueResponse' });
    },
    async (client) => {
      const response = await client.request<number>('a', 'GetValue');
      assert.equal(response.messageType, 'ValueResponse');
      assert.equal(response.payload, 1);
    },
  );
});

test('fireAndForget reads its acknowledgement', async () => {
  await withServer(
    async (peer) => {
      const message = await peer.read();
      assert.equal(message['expects_reply'], false);
      peer.answer(message, { status: 'delivered' });
      peer.answer(await peer.read(), { value: 42 });
    },
    async (client) => {
      await client.fireAndForget('my-service', 'SetValue', { value: 42 });
      assert.deepEqual(await client.send('my-service', 'GetValue', {}), { value: 42 });
    },
  );
});

test('fireAndForget rejects when the message was not delivered', async () => {
  await withServer(
    async (peer) => peer.fail((await peer.read())['correlation_id'], 'TARGET_BUSY'),
    async (client) => {
      await assert.rejects(client.fireAndForget('a', 'Ping'), acton.TargetBusyError);
    },
  );
});

test('errors are told apart by code', async () => {
  const classes = new Map<string, Function>([
    ['ACTOR_NOT_FOUND', acton.ActorNotFoundError],
    ['UNKNOWN_MESSAGE_TYPE', acton.UnknownMessageTypeError],
    ['SERIALIZATION_ERROR', acton.SerializationError],
    ['TARGET_BUSY', acton.TargetBusyError],
    ['RATE_LIMITED', acton.RateLimitedError],
    ['SHUTTING_DOWN', acton.ShuttingDownError],
    ['HANDLER_FAILED', acton.HandlerFailedError],
    ['REJECTED', acton.RejectedError],
    ['TIMEOUT', acton.TimeoutError],
    ['IO_ERROR', acton.ServerError],
    ['OF_THE_FUTURE', acton.ServerError],
  ]);
  await withServer(
    async (peer) => {
      for (const code of classes.keys()) {
        peer.fail((await peer.read())['correlation_id'], code, { payload: { short: 3 } });
      }
    },
    async (client) => {
      for (const [code, Class] of classes) {
        const error: unknown = await client.send('a', 'Ping').catch((reason: unknown) => reason);
        assert.ok(error instanceof acton.ActonError);
        assert.equal(error.constructor, Class);
        assert.equal(error.name, Class.name);
        assert.match(error.message, new RegExp(`text of ${code}`));
        if (error instanceof acton.ServerError) {
          assert.equal(error.code, code);
          assert.deepEqual(error.payload, { short: 3 });
        }
      }
    },
  );
});

test('a late answer is dropped and the client stays usable', async () => {
  await withServer(
    async (peer) => {
      const late = await peer.read();
      const request = await peer.read();
      peer.answer(late, 'late');
      peer.answer({ correlation_id: "nobody's" }, 'foreign');
      peer.answer(request, 'in time');
    },
    async (client) => {
      await client.connect();
      await assert.rejects(client.send('a', 'Slow', {}, { timeout: 20 }), acton.TimeoutError);
      assert.equal(await client.send('a', 'Fast'), 'in time');
    },
  );
});

test('answers may overtake each other', async () => {
  await withServer(
    async (peer) => {
      const requests = [await peer.read(), await peer.read(), await peer.read()];
      // Messages of one connection arrive in the order of the calls.
      assert.deepEqual(requests.map((request) => request['payload']), [0, 1, 2]);
      for (const request of requests.reverse()) peer.answer(request, request['payload']);
    },
    async (client) => {
      const answers = await Promise.all([0, 1, 2].map((n) => client.send('a', 'Echo', n)));
      assert.deepEqual(answers, [0, 1, 2]);
    },
  );
});

test('a signal gives a call up', async () => {
  await withServer(
    async (peer) => {
      const abandoned = await peer.read();
      const request = await peer.read();
      peer.answer(abandoned, 'late');
      peer.answer(request, 'in time');
    },
    async (client) => {
      await client.connect();
      const controller = new AbortController();
      const call = client.send('a', 'Slow', {}, { signal: controller.signal });
      const reason = new Error('changed my mind');
      setTimeout(() => controller.abort(reason), 20);
      await assert.rejects(call, reason);
      const { signal } = controller;
      await assert.rejects(client.send('a', 'Never sent', {}, { signal }), reason);
      assert.equal(await client.send('a', 'Fast'), 'in time');
    },
  );
});

test('a call given up before the connection stands is not sent', async () => {
  await withServer(
    async (peer) => peer.answer(await peer.read(), 'fine'),
    async (client) => {
      const controller = new AbortController();
      const call = client.send('a', 'Never sent', {}, { signal: controller.signal });
      controller.abort();
      await assert.rejects(call, { name: 'AbortError' });
      assert.equal(await client.send('a', 'Ping'), 'fine');
    },
  );
});

test('frames may come byte by byte', async () => {
  await withServer(
    async (peer) => {
      const { correlation_id } = await peer.read();
      const body = { correlation_id, success: true, payload: 'ü' };
      const push = frame(PUSH, { message_type: 'T', payload: 1 });
      for (const byte of Buffer.concat([push, frame(RESPONSE, body)])) {
        peer.socket.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
    },
    async (client) => {
      assert.equal(await client.send('a', 'Ping'), 'ü');
    },
  );
});

test('large messages pass both ways', async () => {
  const text = 'x'.repeat(3_000_000);
  await withServer(
    async (peer) => {
      const request = await peer.read();
      peer.answer(request, request['payload']);
    },
    async (client) => {
      assert.equal(await client.send('a', 'Echo', text), text);
    },
  );
});

test('an oversize message is not sent and the client stays usable', async () => {
  await withServer(
    async (peer) => peer.answer(await peer.read(), 'fine'),
    async (client) => {
      const text = 'x'.repeat(acton.MAX_FRAME_SIZE);
      await assert.rejects(client.send('a', 'Echo', text), acton.FrameTooLargeError);
      assert.equal(await client.send('a', 'Ping'), 'fine');
    },
  );
});

test('a message that is not JSON rejects and leaves the client usable', async () => {
  await withServer(
    async (peer) => peer.answer(await peer.read(), 'fine'),
    async (client) => {
      await assert.rejects(client.send('a', 'Echo', 1n), TypeError);
      assert.equal(await client.send('a', 'Ping'), 'fine');
    },
  );
});

test('discovery is read at the top level', async () => {
  const actors = [{ name: 'my-service', ern: 'ern:acton:x' }];
  await withServer(
    async (peer) => {
      const { correlation_id, ...rest } = await peer.read(DISCOVER);
      assert.deepEqual(rest, { include_actors: true, include_message_types: true });
      const offer = { protocol_version: { current: 2 }, actors, message_types: ['GetValue'] };
      peer.write(RESPONSE, { correlation_id, success: true, ...offer });
    },
    async (client) => {
      const discovery = await client.discover();
      assert.deepEqual(discovery.actors, actors);
      assert.deepEqual(discovery.messageTypes, ['GetValue']);
      assert.deepEqual(discovery.protocolVersion, { current: 2 });
    },
  );
});

test('heartbeats are answered with or without a body', async () => {
  await withServer(
    async (peer) => {
      assert.deepEqual(await peer.read(HEARTBEAT), {});
      peer.socket.write(Buffer.from('00000000020401', 'hex'));
      await peer.read(HEARTBEAT);
      peer.socket.write(Buffer.from('000000020204017b7d', 'hex'));
    },
    async (client) => {
      await client.heartbeat();
      await client.heartbeat();
    },
  );
});

test('a late heartbeat answers nobody', async () => {
  await withServer(
    async (peer) => {
      await peer.read(HEARTBEAT);
      await peer.read(HEARTBEAT);
      peer.write(HEARTBEAT, {});
      await peer.waitClosed();
    },
    async (client) => {
      await client.connect();
      await assert.rejects(client.heartbeat({ timeout: 20 }), acton.TimeoutError);
      await assert.rejects(client.heartbeat({ timeout: 100 }), acton.TimeoutError);
    },
  );
});

test('a silent connection is kept alive', async () => {
  let beats = 0;
  await withServer(
    async (peer) => {
      peer.answer(await peer.read(), 'fine');
      for (; beats < 2; beats++) {
        await peer.read(HEARTBEAT);
        peer.write(HEARTBEAT, {});
      }
    },
    async (client) => {
      await client.send('a', 'Ping');
      while (beats < 2) await delay(10);
    },
    { keepAlive: 20 },
  );
  assert.equal(beats, 2);
});
