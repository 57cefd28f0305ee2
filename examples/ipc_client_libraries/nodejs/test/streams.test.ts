/** Messages with many replies. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as acton from 'acton-ipc';

import type { ReplyStream } from '../src/stream.js';
import { FakeClock } from './clock.js';
import { CANCEL, collect, DISCOVER, failureOf, openPair, STREAM } from './stub.js';

const KIB = 1024;

test('a stream gives every item and ends', async (t) => {
  const { client, peer } = await openPair(t);
  const items = collect(client.stream('search', 'Query', { q: 1 }, { timeout: 5_000 }));
  const request = await peer.read();
  assert.equal(request['expects_stream'], true);
  assert.equal(request['expects_reply'], false);
  assert.equal(request['response_timeout_ms'], 5_000);
  for (let number = 0; number < 3; number++) {
    peer.part(request, number, number);
    peer.push('T', number);
  }
  peer.endStream(request, 3);
  assert.deepEqual(await items, [0, 1, 2]);
});

test('a stream of nothing but its end is empty', async (t) => {
  const { client, peer } = await openPair(t);
  const items = collect(client.stream('search', 'Query'));
  peer.endStream(await peer.read(), 0);
  assert.deepEqual(await items, []);
});

test('a reply that is null is a reply', async (t) => {
  const { client, peer } = await openPair(t);
  const items = collect(client.stream('search', 'Query'));
  const request = await peer.read();
  peer.part(request, 0, null);
  peer.endStream(request, 1);
  assert.deepEqual(await items, [null]);
});

test('a stream throws the error of its last frame after its items', async (t) => {
  const { client, peer } = await openPair(t);
  const stream = client.stream('search', 'Query');
  const request = await peer.read();
  peer.part(request, 0, 1);
  peer.endStream(request, 1, { error: 'no', error_code: 'REJECTED', payload: { left: 3 } });
  assert.deepEqual(await stream.next(), { value: 1, done: false });
  const error = await failureOf(stream.next());
  assert.equal(error.constructor, acton.RejectedError);
  assert.deepEqual(error.fields, { left: 3 });
  assert.deepEqual(await stream.next(), { value: undefined, done: true });
});

test('only a stream that has not begun may be asked for again', async (t) => {
  const { client, peer } = await openPair(t);
  for (const count of [0, 1]) {
    const failing = failureOf(collect(client.stream('search', 'Query')));
    const request = await peer.read();
    if (count > 0) peer.part(request, 0, 1);
    peer.endStream(request, count, { error: 'gone', error_code: 'STREAM_ERROR' });
    const error = await failing;
    assert.equal(error.constructor, acton.StreamError);
    assert.equal(error.isSafeToRepeat, count === 0);
  }
});

test('a plain error ends a stream', async (t) => {
  const { client, peer } = await openPair(t);
  const items = collect(client.stream('search', 'Query'));
  peer.fail((await peer.read())['correlation_id'], 'SHUTTING_DOWN');
  await assert.rejects(items, acton.ShuttingDownError);
});

test('a plain answer is no stream', async (t) => {
  const { client, peer } = await openPair(t);
  const items = collect(client.stream('search', 'Query'));
  peer.answer(await peer.read(), 1);
  await assert.rejects(items, acton.ProtocolError);
});

test('a stream with a reply missing fails, its last number counts, too', async (t) => {
  const { client, peer } = await openPair(t);
  for (const isEnd of [false, true]) {
    const stream = client.stream('search', 'Query');
    const request = await peer.read();
    peer.part(request, 0, 'first');
    if (isEnd) peer.endStream(request, 2);
    else peer.part(request, 2, 'third');
    assert.equal((await stream.next()).value, 'first');
    await assert.rejects(stream.next(), { name: 'ProtocolError', message: /number 1 was due, 2/ });
    if (!isEnd) peer.tellCapabilities(await peer.read(DISCOVER), {});
  }
});

test('a stream that ends with the connection is not whole', async (t) => {
  const { client, peer } = await openPair(t);
  const stream = client.stream('search', 'Query');
  const request = await peer.read();
  peer.part(request, 0, 1);
  peer.socket.end();
  assert.equal((await stream.next()).value, 1);
  await assert.rejects(stream.next(), acton.PeerLostError);
});

test('a stream that stalls times out', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock });
  const items = collect(client.stream('search', 'Query', {}, { timeout: 20 }));
  await peer.read();
  clock.pass(1_020);
  await assert.rejects(items, acton.TimeoutError);
});

test('a signal ends a stream, here and there', async (t) => {
  const { client, peer } = await openPair(t);
  const controller = new AbortController();
  const stream = client.stream('search', 'Query', {}, { signal: controller.signal });
  const request = await peer.read();
  peer.part(request, 0, 1);
  assert.equal((await stream.next()).value, 1);
  const reason = new Error('changed my mind');
  const failing = failureOf(stream.next());
  controller.abort(reason);
  assert.equal(await failing, reason);
  peer.tellCapabilities(await peer.read(DISCOVER), { cancel: true });
  const { correlation_id } = request;
  assert.deepEqual(await peer.read(CANCEL), { correlation_id });
});

test('a stream that is left early is cancelled, and disturbs nobody', async (t) => {
  const { client, peer } = await openPair(t);
  const leaving = (async () => {
    for await (const item of client.stream('search', 'Query')) return item;
    return 'nothing';
  })();
  const request = await peer.read();
  peer.part(request, 0, 'first');
  assert.equal(await leaving, 'first');
  peer.tellCapabilities(await peer.read(DISCOVER), { cancel: true });
  await peer.read(CANCEL);
  const answer = client.send('a', 'Ping');
  const other = await peer.read();
  peer.part(request, 1, 'second');
  peer.endStream(request, 2, { error_code: 'CANCELLED' });
  peer.answer(other, 'answer');
  assert.equal(await answer, 'answer');
});

test('a stream whose end is there already is not cancelled', async (t) => {
  const { client, peer } = await openPair(t);
  const stream = client.stream('search', 'Query');
  const request = await peer.read();
  peer.part(request, 0, 1);
  peer.part(request, 1, 2);
  peer.endStream(request, 2);
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), null);
  await answer;
  await stream.next();
  await stream.return?.();
  const next = client.send('a', 'Next');
  peer.answer(await peer.read(), null);
  await next;
});

test('a stream is disposable', async (t) => {
  const { client, peer } = await openPair(t);
  const stream = client.stream('search', 'Query');
  await peer.read();
  await stream[Symbol.asyncDispose]();
  await peer.read(DISCOVER);
  assert.deepEqual(await stream.next(), { value: undefined, done: true });
});

test('two may read one stream, and each item goes to one of them', async (t) => {
  const { client, peer } = await openPair(t);
  const stream = client.stream('search', 'Query');
  const readings = [stream.next(), stream.next(), stream.next()];
  const request = await peer.read();
  peer.part(request, 0, 1);
  peer.part(request, 1, 2);
  peer.endStream(request, 2);
  assert.deepEqual(
    (await Promise.all(readings)).map(({ value }) => value),
    [1, 2, undefined],
  );
});

test('a slow reader holds the connection up, and loses nothing', async (t) => {
  const { client, peer } = await openPair(t, { streamBuffer: 64 * KIB });
  const stream = client.stream<string>('search', 'Query') as ReplyStream<string>;
  const request = await peer.read();
  const item = 'x'.repeat(10 * KIB);
  const count = 1_000;
  for (let number = 0; number < count; number++) peer.part(request, number, item);
  peer.endStream(request, count);
  let seen = 0;
  for await (const each of stream) {
    assert.equal(each.length, item.length);
    // What was there when it was paused, one piece from the kernel, one frame.
    assert.ok(stream.bytes <= 64 * KIB + 64 * KIB + 11 * KIB, `${stream.bytes} bytes`);
    seen += 1;
    await new Promise(setImmediate);
  }
  assert.equal(seen, count);
});

test('a slow reader does not hold up the answer that it waits for itself', async (t) => {
  const { client, peer } = await openPair(t, { streamBuffer: 1 });
  const stream = client.stream<number>('search', 'Query');
  const request = await peer.read();
  for (let number = 0; number < 500; number++) peer.part(request, number, 'x'.repeat(KIB));
  const reading = (async () => {
    const answers: unknown[] = [];
    for await (const _ of stream) {
      if (answers.length < 3) answers.push(await client.send('a', 'Ping'));
    }
    return answers;
  })();
  for (let answer = 0; answer < 3; answer++) peer.answer(await peer.read(), answer);
  peer.endStream(request, 500);
  assert.deepEqual(await reading, [0, 1, 2]);
});

test('a stream that nobody reads does not hold up another, up to a limit', async (t) => {
  const { client, peer } = await openPair(t, { streamBuffer: 1, maxStreamBuffer: 100 * KIB });
  const forgotten = client.stream('search', 'Query');
  const first = await peer.read();
  const read = collect(client.stream('search', 'Query'));
  const second = await peer.read();
  for (let number = 0; number < 200; number++) peer.part(first, number, 'x'.repeat(KIB));
  peer.part(second, 0, 'here');
  peer.endStream(second, 1);
  assert.deepEqual(await read, ['here']);
  await assert.rejects(collect(forgotten), acton.StreamOverrunError);
  peer.tellCapabilities(await peer.read(DISCOVER), { cancel: true });
  assert.equal((await peer.read(CANCEL))['correlation_id'], first['correlation_id']);
});

test('a part of a stream that nobody knows is passed over', async (t) => {
  const faults: unknown[] = [];
  const { client, peer } = await openPair(t, { onFault: (fault) => faults.push(fault) });
  peer.write(STREAM, { correlation_id: 'nobody', sequence: 0, is_final: true });
  peer.write(STREAM, { correlation_id: 'nobody', sequence: '0' });
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), 1);
  assert.equal(await answer, 1);
  assert.match(String(faults), /^SyntaxError: `sequence` is no number$/);
});
