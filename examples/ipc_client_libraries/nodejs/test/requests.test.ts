/** Messages to an actor and the answers to them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as acton from 'acton-ipc';

import { FakeClock } from './clock.js';
import {
  CANCEL,
  DISCOVER,
  failureOf,
  frame,
  HEARTBEAT,
  newStage,
  openPair,
  PUSH,
  RESPONSE,
  STREAM,
  SUBSCRIBE,
  type Body,
} from './stub.js';

test('send and request return the payload of the reply', async (t) => {
  const { client, peer } = await openPair(t);
  for (const name of ['send', 'request'] as const) {
    const reply = client[name]('my-service', 'GetValue', {}, { timeout: 5_000 });
    const request = await peer.read();
    const { correlation_id: id, ...rest } = request;
    assert.ok(id.length > 0 && id.length <= 1024);
    assert.deepEqual(rest, {
      target: 'my-service',
      message_type: 'GetValue',
      payload: {},
      expects_reply: true,
      expects_stream: false,
      response_timeout_ms: 5_000,
    });
    peer.answer(request, { value: 7 });
    assert.deepEqual(await reply, { value: 7 });
  }
});

test('a missing payload travels as null', async (t) => {
  const { client, peer } = await openPair(t);
  const reply = client.send('a', 'Ping');
  const request = await peer.read();
  assert.equal(request['payload'], null);
  peer.answer(request, null);
  assert.equal(await reply, null);
});

test('ask tells the type of the reply, and does not mind what it does not know', async (t) => {
  const { client, peer } = await openPair(t);
  const reply = client.ask<number>('a', 'GetValue');
  const request = await peer.read();
  peer.answer(request, 1, { of_the_future: 'ignored', message_type: 'ValueResponse' });
  const { correlationId, payload, messageType } = await reply;
  assert.deepEqual(
    [correlationId, payload, messageType],
    [request['correlation_id'], 1, 'ValueResponse'],
  );
});

test('fireAndForget reads its acknowledgement, and has no deadline', async (t) => {
  const { client, peer } = await openPair(t);
  const sent = client.fireAndForget('my-service', 'SetValue', { value: 42 });
  const message = await peer.read();
  assert.equal(message['expects_reply'], false);
  assert.equal('response_timeout_ms' in message, false);
  peer.answer(message, { status: 'delivered' });
  assert.equal(await sent, undefined);
  const refused = client.fireAndForget('a', 'Ping');
  peer.fail((await peer.read())['correlation_id'], 'TARGET_BUSY');
  await assert.rejects(refused, acton.TargetBusyError);
});

test('headers travel beside the message', async (t) => {
  const { client, peer } = await openPair(t);
  const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
  const reply = client.send('a', 'Ping', null, { headers });
  const request = await peer.read();
  assert.deepEqual(request['headers'], headers);
  peer.answer(request, 1);
  await reply;
});

test('errors are told apart by code', async (t) => {
  const classes = new Map<string, [Function, boolean]>([
    ['ACTOR_NOT_FOUND', [acton.ActorNotFoundError, true]],
    ['ASK_CYCLE', [acton.AskCycleError, true]],
    ['CANCELLED', [acton.CancelledError, false]],
    ['HANDLER_FAILED', [acton.HandlerFailedError, false]],
    ['IO_ERROR', [acton.RequestError, false]],
    ['OF_THE_FUTURE', [acton.RequestError, false]],
    ['PROTOCOL_ERROR', [acton.RequestError, true]],
    ['RATE_LIMITED', [acton.RateLimitedError, true]],
    ['REJECTED', [acton.RejectedError, false]],
    ['SERIALIZATION_ERROR', [acton.SerializationError, false]],
    ['SHUTTING_DOWN', [acton.ShuttingDownError, true]],
    ['STREAM_ERROR', [acton.StreamError, true]],
    ['TARGET_BUSY', [acton.TargetBusyError, true]],
    ['TIMEOUT', [acton.TimeoutError, false]],
    ['UNKNOWN_MESSAGE_TYPE', [acton.UnknownMessageTypeError, true]],
    ['toString', [acton.RequestError, false]],
  ]);
  const { client, peer } = await openPair(t);
  for (const [code, [Class, isSafeToRepeat]] of classes) {
    const failing = failureOf(client.send('a', 'Ping'));
    peer.fail((await peer.read())['correlation_id'], code, { payload: { short: 3 } });
    const error = await failing;
    assert.ok(error instanceof acton.RequestError && error instanceof acton.ActonError);
    assert.equal(error.constructor, Class);
    assert.equal(error.name, Class.name);
    assert.equal(error.message, `text of ${code} (${code})`);
    assert.equal(error.isSafeToRepeat, isSafeToRepeat, code);
    assert.deepEqual([error.code, error.payload], [code, { short: 3 }]);
  }
});

test('errors carry their facts', async (t) => {
  const { client, peer } = await openPair(t);
  const failWith = async (code: string, more: Body): Promise<any> => {
    const failing = failureOf(client.send('a', 'Ping'));
    peer.fail((await peer.read())['correlation_id'], code, more);
    return failing;
  };
  const rejected = await failWith('REJECTED', { payload: { left: 3 }, message_type: 'OutOfStock' });
  assert.deepEqual([rejected.messageType, rejected.fields], ['OutOfStock', { left: 3 }]);
  const untyped = await failWith('REJECTED', {});
  assert.deepEqual([untyped.messageType, untyped.fields], [undefined, undefined]);
  const limited = await failWith('RATE_LIMITED', {
    error: 'Rate limit exceeded, retry after 25ms',
  });
  assert.equal(limited.retryAfterMs, 25);
  const cycle = await failWith('ASK_CYCLE', { payload: { path: ['a', 'b'] } });
  assert.deepEqual(cycle.path, ['a', 'b']);
  const stopped = { error: 'I/O error: Recipient channel is closed' };
  assert.equal((await failWith('IO_ERROR', stopped)).name, 'ActorStoppedError');
  const silent = { error: 'I/O error: Response channel closed without receiving a response' };
  assert.equal((await failWith('IO_ERROR', silent)).name, 'NoReplyError');
});

test('an error without a code or a text is an error', async (t) => {
  const { client, peer } = await openPair(t);
  const failing = failureOf(client.discover());
  const { correlation_id } = await peer.read(DISCOVER);
  peer.write(3, { correlation_id, success: false });
  const error = await failing;
  assert.deepEqual([error.code, error.text], ['UNKNOWN', 'the server gave no reason']);
});

test('answers may overtake each other, and requests leave in the order of the calls', async (t) => {
  const { client, peer } = await openPair(t);
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  const answers = Promise.all(numbers.map((n) => client.send('a', 'Echo', n)));
  const requests: Body[] = [];
  for (const _ of numbers) requests.push(await peer.read());
  assert.deepEqual(
    requests.map(({ payload }) => payload),
    numbers,
  );
  assert.equal(new Set(requests.map(({ correlation_id }) => correlation_id)).size, 100);
  for (const request of requests.reverse()) peer.answer(request, request['payload']);
  assert.deepEqual(await answers, numbers);
});

test('ids of two clients differ', async (t) => {
  const one = await openPair(t);
  const other = await openPair(t);
  void one.client.send('a', 'Ping').catch(() => undefined);
  void other.client.send('a', 'Ping').catch(() => undefined);
  const ids = [
    (await one.peer.read())['correlation_id'],
    (await other.peer.read())['correlation_id'],
  ];
  assert.notEqual(ids[0], ids[1]);
});

test('a mute server: the call times out, a little later than it said, and says so', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock, grace: 500 });
  const failing = failureOf(client.send('a', 'Slow', null, { timeout: 2_000 }));
  const request = await peer.read();
  assert.equal(request['response_timeout_ms'], 2_000);
  let isOver = false;
  void failing.then(() => (isOver = true));
  clock.pass(2_499);
  await Promise.resolve();
  assert.equal(isOver, false);
  clock.pass(1);
  const error = await failing;
  assert.equal(error.constructor, acton.TimeoutError);
  assert.deepEqual([error.code, error.isLocal, error.isSent], ['TIMEOUT', true, true]);
  assert.equal(error.isSafeToRepeat, false);
});

test('a late answer is dropped and the client stays usable', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock });
  const failing = failureOf(client.send('a', 'Slow', null, { timeout: 20 }));
  const late = await peer.read();
  clock.pass(1_020);
  await failing;
  peer.tellCapabilities(await peer.read(DISCOVER), {});
  peer.answer(late, 'late');
  peer.answer({ correlation_id: "nobody's" }, 'foreign');
  const answer = client.send('a', 'Fast');
  peer.answer(await peer.read(), 'in time');
  assert.equal(await answer, 'in time');
});

test('timeouts travel whole and rounded up, and for ever is 2^53 - 1', async (t) => {
  const { client, peer } = await openPair(t);
  const expected: [number, number][] = [
    [0, 0],
    [0.25, 1],
    [1500.5, 1501],
    [Infinity, 2 ** 53 - 1],
    [2 ** 60, 2 ** 53 - 1],
  ];
  for (const [timeout, written] of expected) {
    const answer = client.send('a', 'Ping', null, { timeout });
    const request = await peer.read();
    assert.equal(request['response_timeout_ms'], written);
    peer.answer(request, null);
    await answer;
  }
  for (const timeout of [-1, NaN]) {
    await assert.rejects(client.send('a', 'Ping', null, { timeout }), RangeError);
  }
});

test('a server that knows CANCEL is told of a call that is given up', async (t) => {
  const { client, peer } = await openPair(t);
  const reason = new Error('changed my mind');
  for (const isFirst of [true, false]) {
    const controller = new AbortController();
    const failing = failureOf(client.send('a', 'Slow', null, { signal: controller.signal }));
    const { correlation_id } = await peer.read();
    controller.abort(reason);
    assert.equal(await failing, reason);
    // The server is asked once whether it knows CANCEL.
    if (isFirst) peer.tellCapabilities(await peer.read(DISCOVER), { cancel: true });
    assert.deepEqual(await peer.read(CANCEL), { correlation_id });
    peer.fail(correlation_id, 'CANCELLED');
  }
  const answer = client.send('a', 'Fast');
  peer.answer(await peer.read(), 'in time');
  assert.equal(await answer, 'in time');
});

test('a server that does not know CANCEL gets none', async (t) => {
  const { client, peer } = await openPair(t);
  const controller = new AbortController();
  const failing = failureOf(client.send('a', 'Slow', null, { signal: controller.signal }));
  await peer.read();
  controller.abort();
  await failing;
  peer.tellCapabilities(await peer.read(DISCOVER), { messagepack: true });
  const beating = client.heartbeat();
  assert.equal((await peer.readFrame()).kind, HEARTBEAT);
  peer.write(HEARTBEAT, {});
  await beating;
  const answer = client.send('a', 'Fast');
  peer.answer(await peer.read(), 'in time');
  assert.equal(await answer, 'in time');
});

test('a message without a deadline is not cancelled', async (t) => {
  const { client, peer } = await openPair(t);
  const controller = new AbortController();
  const failing = failureOf(client.fireAndForget('a', 'Ping', null, { signal: controller.signal }));
  await peer.read();
  controller.abort();
  await failing;
  const answer = client.send('a', 'Fast');
  peer.answer(await peer.read(), 1);
  await answer;
});

test('a call given up before it began is not sent', async (t) => {
  const { client, peer } = await openPair(t);
  const signal = AbortSignal.abort(new Error('too late'));
  await assert.rejects(client.send('a', 'Never sent', null, { signal }), /too late/);
  const answer = client.send('a', 'Ping');
  const request = await peer.read();
  assert.equal(request['message_type'], 'Ping');
  peer.answer(request, 'fine');
  assert.equal(await answer, 'fine');
});

test('a call given up before there is a connection is not sent', async (t) => {
  const stage = await newStage(t);
  await stage.listen();
  const client = stage.client();
  const controller = new AbortController();
  const failing = failureOf(client.send('a', 'Never sent', null, { signal: controller.signal }));
  controller.abort();
  assert.equal((await failing).name, 'AbortError');
  const answer = client.send('a', 'Ping');
  const peer = await stage.accept();
  const request = await peer.read();
  assert.equal(request['message_type'], 'Ping');
  peer.answer(request, 1);
  await answer;
});

test('what waits behind a large frame can be withdrawn, and frames never mix', async (t) => {
  const { client, peer } = await openPair(t);
  const text = 'x'.repeat(8_000_000);
  const large = client.send('a', 'Echo', text);
  const controller = new AbortController();
  const { signal } = controller;
  const failing = Promise.all(
    [1, 2, 3].map((n) => failureOf(client.send('a', 'Never sent', n, { signal }))),
  );
  const last = client.send('a', 'Last');
  controller.abort();
  await failing;
  const request = await peer.read();
  assert.equal(request['payload'].length, text.length);
  peer.answer(request, 'large');
  const other = await peer.read();
  assert.equal(other['message_type'], 'Last');
  peer.answer(other, 'last');
  assert.deepEqual(await Promise.all([large, last]), ['large', 'last']);
});

test('large messages pass both ways at the same time', async (t) => {
  const { client, peer } = await openPair(t);
  const text = 'x'.repeat(3_000_000);
  const answers = Promise.all([1, 2, 3].map(() => client.send<string>('a', 'Echo', text)));
  for (let count = 0; count < 3; count++) {
    const request = await peer.read();
    peer.answer(request, request['payload']);
  }
  for (const answer of await answers) assert.equal(answer, text);
});

test('frames may come byte by byte', async (t) => {
  const { client, peer } = await openPair(t);
  const answer = client.send('a', 'Ping');
  const { correlation_id } = await peer.read();
  const push = frame(PUSH, { message_type: 'T', payload: 1 });
  const body = { correlation_id, success: true, payload: 'ü' };
  for (const byte of Buffer.concat([push, frame(RESPONSE, body)])) {
    peer.socket.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  assert.equal(await answer, 'ü');
});

test('an oversize message is not sent and the client stays usable', async (t) => {
  const { client, peer } = await openPair(t);
  const error = await failureOf(client.send('a', 'Echo', 'x'.repeat(acton.MAX_FRAME_SIZE)));
  assert.equal(error.constructor, acton.FrameTooLargeError);
  assert.equal(error.limit, acton.MAX_FRAME_SIZE);
  assert.equal(error.isSafeToRepeat, true);
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), 'fine');
  assert.equal(await answer, 'fine');
});

test('a payload that cannot be written rejects and leaves the client usable', async (t) => {
  const { client, peer } = await openPair(t);
  const circle: Body = {};
  circle['itself'] = circle;
  await assert.rejects(client.send('a', 'Echo', circle), TypeError);
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), 'fine');
  assert.equal(await answer, 'fine');
});

test('integers of any size pass both ways', async (t) => {
  const { client, peer } = await openPair(t);
  const answer = client.send('a', 'Echo', { n: 2n ** 64n });
  const { correlation_id } = await peer.read();
  const body = `{"correlation_id":"${correlation_id}","success":true,"payload":18446744073709551617}`;
  const header = Buffer.alloc(7);
  header.writeUInt32BE(body.length);
  header.set([2, RESPONSE, 1], 4);
  peer.socket.write(Buffer.concat([header, Buffer.from(body)]));
  assert.equal(await answer, 2n ** 64n + 1n);
});

test('a payload counts as it is at the call, whatever becomes of it', async (t) => {
  const stage = await newStage(t);
  await stage.listen();
  const client = stage.client();
  const payload = { n: 1 };
  const answer = client.send('a', 'Echo', payload);
  payload.n = 2;
  const peer = await stage.accept();
  const request = await peer.read();
  assert.deepEqual(request['payload'], { n: 1 });
  peer.answer(request, null);
  await answer;
});

test('a stream for an answer is a fault of the server, and ends one call', async (t) => {
  const { client, peer } = await openPair(t);
  const failing = failureOf(client.send('a', 'Ping'));
  const { correlation_id } = await peer.read();
  peer.write(STREAM, { correlation_id, sequence: 0, is_final: false, payload: 1 });
  assert.equal((await failing).constructor, acton.ProtocolError);
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), 1);
  await answer;
});

test('discovery is read at the top level', async (t) => {
  const { client, peer } = await openPair(t);
  const discovering = client.discover({ schemas: true });
  const { correlation_id, ...rest } = await peer.read(DISCOVER);
  assert.deepEqual(rest, {
    include_actors: true,
    include_message_types: true,
    include_schemas: true,
  });
  const actors = [
    { name: 'my-service', ern: 'ern:acton:x', accepts: ['GetValue'] },
    { name: 'of Rust', ern: 'ern:acton:y', of_the_future: 1 },
  ];
  const capabilities = { messagepack: true, cancel: true, telepathy: { range: 3 } };
  const protocol_version = { current: 2, min_supported: 1, max_supported: 2, capabilities };
  const schemas = { GetValue: { type: 'null' } };
  const offer = { protocol_version, actors, message_types: ['GetValue'], schemas };
  peer.write(RESPONSE, { correlation_id, success: true, ...offer });
  const discovery = await discovering;
  assert.deepEqual(discovery.actors, [
    actors[0],
    { name: 'of Rust', ern: 'ern:acton:y', accepts: undefined },
  ]);
  assert.deepEqual(discovery.messageTypes, ['GetValue']);
  assert.deepEqual(discovery.schemas, schemas);
  assert.equal(discovery.protocol.minSupported, 1);
  const { cancel, streaming, telepathy } = discovery.protocol.capabilities;
  assert.deepEqual([cancel, streaming, telepathy], [true, false, { range: 3 }]);
});

test('discovery asks for what is wanted, and lacks what is not there', async (t) => {
  const { client, peer } = await openPair(t);
  const discovering = client.discover({ actors: false, messageTypes: false });
  const { correlation_id, ...rest } = await peer.read(DISCOVER);
  assert.deepEqual(rest, { include_actors: false, include_message_types: false });
  peer.write(RESPONSE, { correlation_id, success: true });
  const { actors, messageTypes, schemas } = await discovering;
  assert.deepEqual([actors, messageTypes, schemas], [[], [], undefined]);
});

test('version 1 has requests and heartbeats, and nothing else', async (t) => {
  const { client, peer } = await openPair(t, { version: 1 });
  const answer = client.send('a', 'Ping');
  const { version, body } = await peer.readFrame();
  assert.equal(version, 1);
  const reply = { correlation_id: body['correlation_id'], success: true, payload: 1 };
  peer.write(RESPONSE, reply, { version: 1 });
  assert.equal(await answer, 1);
  const beating = client.heartbeat();
  assert.equal((await peer.readFrame()).version, 1);
  peer.write(4, {}, { version: 1 });
  await beating;
  const unsupported = await failureOf(client.discover());
  assert.equal(unsupported.constructor, acton.UnsupportedError);
  assert.equal(unsupported.isSafeToRepeat, true);
  await assert.rejects(client.stream('a', 'Count').next(), acton.UnsupportedError);
  await assert.rejects(client.subscribe('T').next(), acton.UnsupportedError);
  await assert.rejects(client.unsubscribe(), acton.UnsupportedError);
});

test('version 1 gives up without CANCEL', async (t) => {
  const { client, peer } = await openPair(t, { version: 1 });
  const controller = new AbortController();
  const failing = failureOf(client.send('a', 'Slow', null, { signal: controller.signal }));
  await peer.readFrame();
  controller.abort();
  await failing;
  void client.send('a', 'Next').catch(() => undefined);
  assert.equal((await peer.readFrame()).body['message_type'], 'Next');
});

test('subscriptions and requests may be mixed', async (t) => {
  const { client, peer } = await openPair(t);
  const subscription = client.subscribe('T');
  const answer = client.send('a', 'Ping');
  const question = await peer.read(SUBSCRIBE);
  const request = await peer.read();
  peer.push('T', 1);
  peer.answer(request, 2);
  peer.push('T', 3);
  peer.confirm(question, ['T']);
  assert.equal(await answer, 2);
  await subscription.ready;
  assert.equal((await subscription.next()).value?.payload, 1);
  assert.equal((await subscription.next()).value?.payload, 3);
});
