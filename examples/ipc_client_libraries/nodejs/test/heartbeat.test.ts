/** Signs of life. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as acton from 'acton-ipc';

import { FakeClock } from './clock.js';
import { failureOf, HEARTBEAT, openPair, SUBSCRIBE } from './stub.js';

test('a heartbeat tells its round trip, and its answer may have any body', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock });
  for (const answer of [
    '00000000020401',
    '000000020204017b7d',
    '00000002020401ffff',
    '000000000104',
  ]) {
    const beating = client.heartbeat();
    assert.deepEqual(await peer.read(HEARTBEAT), {});
    clock.pass(25);
    peer.socket.write(Buffer.from(answer, 'hex'));
    assert.equal(await beating, 25);
  }
});

test('heartbeats are answered in order, and a late answer is for nobody else', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock });
  const failing = failureOf(client.heartbeat({ timeout: 20 }));
  await peer.read(HEARTBEAT);
  clock.pass(20);
  assert.equal((await failing).constructor, acton.TimeoutError);
  let isAnswered = false;
  const beating = client.heartbeat();
  void beating.then(() => (isAnswered = true));
  await peer.read(HEARTBEAT);
  peer.write(HEARTBEAT, {});
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), null);
  await answer;
  assert.equal(isAnswered, false);
  peer.write(HEARTBEAT, {});
  await beating;
});

test('an answer that nobody asked for does no harm', async (t) => {
  const { client, peer } = await openPair(t);
  peer.write(HEARTBEAT, {});
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), 1);
  assert.equal(await answer, 1);
});

test('a connection without traffic is kept alive after half of the idle time', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock, idleTimeout: 1_000 });
  clock.pass(400);
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), null);
  await answer;
  clock.pass(499);
  // Were there a heartbeat already, it would come first.
  const second = client.send('a', 'Ping');
  peer.answer(await peer.read(), null);
  await second;
  clock.pass(500);
  await peer.read(HEARTBEAT);
});

test('the answer to a heartbeat that keeps alive is for nobody', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock, idleTimeout: 1_000 });
  clock.pass(500);
  await peer.read(HEARTBEAT);
  const beating = client.heartbeat();
  await peer.read(HEARTBEAT);
  peer.write(HEARTBEAT, {});
  clock.pass(100);
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), null);
  await answer;
  clock.pass(100);
  peer.write(HEARTBEAT, {});
  assert.equal(await beating, 200);
});

test('a server that answers heartbeats is not lost', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock, idleTimeout: 1_000 });
  for (let count = 0; count < 3; count++) {
    clock.pass(500);
    await peer.read(HEARTBEAT);
    peer.write(HEARTBEAT, {});
    // An explicit one comes back after it.
    const beating = client.heartbeat();
    await peer.read(HEARTBEAT);
    peer.write(HEARTBEAT, {});
    await beating;
  }
});

test('a server that answers no heartbeat and nothing else is lost', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock, idleTimeout: 1_000 });
  const subscription = client.subscribe('T');
  peer.confirm(await peer.read(SUBSCRIBE));
  await subscription.ready;
  const failing = failureOf(subscription.next());
  clock.pass(500);
  await peer.read(HEARTBEAT);
  clock.pass(500);
  assert.match((await failing).message, /heartbeats/);
  await peer.readEnd();
  const error = await failureOf(client.send('a', 'Ping'));
  assert.match(error.message, /heartbeats/);
  assert.equal(error.constructor, acton.PeerLostError);
});

test('a server that is busy with our request is not lost', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock, idleTimeout: 1_000 });
  const answer = client.send('a', 'Slow', null, { timeout: Infinity });
  const request = await peer.read();
  clock.pass(10_000);
  peer.answer(request, 'at last');
  assert.equal(await answer, 'at last');
});

test('without an idle time there are no heartbeats', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock, idleTimeout: 0 });
  clock.pass(1_000_000);
  assert.equal(clock.alarms, 0);
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), 1);
  await answer;
});
