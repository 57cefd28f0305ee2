/** MessagePack through the optional package, and without it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { loadMessagePack, narrowIntegers } from '../src/messagepack.js';
import { messagePack } from './messagepack.js';
import { DISCOVER, JSON_FORMAT, MESSAGE_PACK, openStage, RESPONSE } from './stub.js';

test('without the package there is none', async () => {
  const missing = Object.assign(new Error('not here'), { code: 'ERR_MODULE_NOT_FOUND' });
  assert.equal(await loadMessagePack(() => Promise.reject(missing)), undefined);
});

test('a package that is broken is no missing one', async () => {
  await assert.rejects(
    loadMessagePack(() => Promise.reject(new Error('broken'))),
    /broken/,
  );
});

test('the package gets large integers as bigint, since it writes others as floats', async () => {
  const written: unknown[] = [];
  const library = {
    encode: (value: unknown, options: object) => {
      written.push(value, options);
      return new Uint8Array();
    },
    decode: (bytes: Uint8Array, options: object) => [bytes.length, options],
  };
  const codec = await loadMessagePack(() => Promise.resolve(library));
  const date = new Date(0);
  codec?.encode({ a: [2 ** 40, 1, -(2 ** 40), 0.5, 2 ** 60], date });
  const options = { useBigInt64: true, ignoreUndefined: true };
  const expected = { a: [2n ** 40n, 1, -(2n ** 40n), 0.5, 2 ** 60], date };
  assert.deepEqual(written, [expected, options]);
  assert.deepEqual(codec?.decode(new Uint8Array(3)), [3, options]);
  for (const integer of [2n ** 64n, -(2n ** 63n) - 1n]) {
    assert.throws(() => codec?.encode([integer]), RangeError);
  }
});

test('integers that a number can hold are read as numbers', () => {
  const bytes = new Uint8Array([1]);
  const value = { a: [1n, 2n ** 53n, -5n], bytes, none: null };
  assert.deepEqual(narrowIntegers(value), { a: [1, 2n ** 53n, -5], bytes, none: null });
});

test('MessagePack is spoken with a server that reads it', async (t) => {
  const stage = await openStage(t);
  const client = stage.client({ messagePack });
  const answer = client.send('a', 'Echo', { bytes: new Uint8Array([0, 255]), n: 2n ** 60n });
  const peer = await stage.accept();
  const question = await peer.readFrame();
  assert.equal(question.kind, DISCOVER);
  assert.equal(question.format, JSON_FORMAT);
  peer.tellCapabilities(question.body, { messagepack: true });
  const { format, body } = await peer.readFrame();
  assert.equal(format, MESSAGE_PACK);
  const { correlation_id, payload } = body;
  peer.write(RESPONSE, { correlation_id, success: true, payload }, { format: MESSAGE_PACK });
  assert.deepEqual(await answer, { bytes: Buffer.from([0, 255]), n: 2n ** 60n });
});

test('JSON is spoken with a server that reads nothing else', async (t) => {
  for (const capabilities of [{ messagepack: false }, undefined]) {
    const stage = await openStage(t);
    const client = stage.client({ messagePack });
    const answer = client.send('a', 'Echo', 1);
    const peer = await stage.accept();
    const question = await peer.read(DISCOVER);
    if (capabilities === undefined) peer.fail(question['correlation_id'], 'PROTOCOL_ERROR');
    else peer.tellCapabilities(question, capabilities);
    const { format, body } = await peer.readFrame();
    assert.equal(format, JSON_FORMAT);
    peer.answer(body, 1);
    assert.equal(await answer, 1);
  }
});

test('what MessagePack cannot say fails its own call, before there is a connection and after', async (t) => {
  const stage = await openStage(t);
  const client = stage.client({ messagePack });
  const early = assert.rejects(client.send('a', 'Echo', 2n ** 64n), RangeError);
  const peer = await stage.accept();
  peer.tellCapabilities(await peer.read(DISCOVER), { messagepack: true });
  await early;
  await assert.rejects(client.send('a', 'Echo', 2n ** 64n), RangeError);
  const answer = client.send('a', 'Ping');
  peer.answer((await peer.readFrame()).body, 1);
  assert.equal(await answer, 1);
});

test('closing ends the wait for what the server can do', async (t) => {
  const stage = await openStage(t);
  const client = stage.client({ messagePack });
  const answer = client.send('a', 'Ping');
  const peer = await stage.accept();
  await peer.read(DISCOVER);
  await Promise.all([client.close(), assert.rejects(answer, { name: 'ClientClosedError' })]);
  await peer.readEnd();
});

test('a codec that does not know the package is JSON without it', async (t) => {
  const installed = (await loadMessagePack()) !== undefined;
  const stage = await openStage(t);
  const client = stage.client({ messagePack: true });
  const answer = client.send('a', 'Echo', 1);
  const peer = await stage.accept();
  if (installed) peer.tellCapabilities(await peer.read(DISCOVER), {});
  peer.answer(await peer.read(), 1);
  assert.equal(await answer, 1);
});
