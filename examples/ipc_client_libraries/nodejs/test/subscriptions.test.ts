/** Messages that come unasked. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as acton from 'acton-ipc';

import { FakeClock } from './clock.js';
import { collect, failureOf, openPair, openStage, SUBSCRIBE, UNSUBSCRIBE } from './stub.js';

test('pushes come in order, also before the confirmation, and leaving unsubscribes', async (t) => {
  const { client, peer } = await openPair(t);
  const subscription = client.subscribe<{ price: number }>('PriceUpdate');
  const question = await peer.read(SUBSCRIBE);
  assert.deepEqual(question['message_types'], ['PriceUpdate']);
  peer.push('PriceUpdate', { price: 1 });
  peer.confirm(question, ['PriceUpdate']);
  peer.push('StatusChange', 'not for us');
  peer.push('PriceUpdate', { price: 2 }, { source_actor: 'prices' });
  await subscription.ready;
  const seen: acton.Push<{ price: number }>[] = [];
  for await (const push of subscription) if (seen.push(push) === 2) break;
  assert.deepEqual(seen, [
    {
      notificationId: 'push_1',
      messageType: 'PriceUpdate',
      payload: { price: 1 },
      timestampMs: 1_700_000_000_000,
      sourceActor: undefined,
      dropped: 0,
      isAfterGap: false,
    },
    {
      notificationId: 'push_1',
      messageType: 'PriceUpdate',
      payload: { price: 2 },
      timestampMs: 1_700_000_000_000,
      sourceActor: 'prices',
      dropped: 0,
      isAfterGap: false,
    },
  ]);
  const leaving = await peer.read(UNSUBSCRIBE);
  assert.deepEqual(leaving['message_types'], ['PriceUpdate']);
});

test('what the server has dropped is told to every subscription, once', async (t) => {
  const { client, peer } = await openPair(t);
  const prices = client.subscribe('PriceUpdate');
  const states = client.subscribe('StatusChange');
  peer.push('PriceUpdate', 1, { dropped: 3 });
  peer.push('PriceUpdate', 2);
  peer.push('StatusChange', 3, { dropped: 1 });
  peer.push('StatusChange', 4);
  const dropped = async (subscription: acton.Subscription): Promise<number | undefined> =>
    (await subscription.next()).value?.dropped;
  assert.deepEqual([await dropped(prices), await dropped(prices)], [3, 0]);
  assert.deepEqual([await dropped(states), await dropped(states)], [4, 0]);
});

test('pushes that wait are bounded, and what exceeds is counted', async (t) => {
  const { client, peer } = await openPair(t, { pushBuffer: 10 });
  const subscription = client.subscribe('T');
  peer.confirm(await peer.read(SUBSCRIBE));
  for (let number = 0; number < 16; number++) peer.push('T', number);
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), null);
  await answer;
  for (let number = 0; number < 10; number++) {
    const { value } = await subscription.next();
    assert.deepEqual([value?.payload, value?.dropped], [number, 0]);
  }
  peer.push('T', 'last', { dropped: 1 });
  const { value } = await subscription.next();
  assert.deepEqual([value?.payload, value?.dropped], ['last', 6 + 1]);
});

test('a callback gets one push after the other', async (t) => {
  const { client, peer } = await openPair(t);
  const seen: unknown[] = [];
  const subscription = client.subscribe('T');
  const calling = subscription.each(async ({ payload }) => {
    seen.push(['begin', payload]);
    await new Promise(setImmediate);
    seen.push(['end', payload]);
    if (payload === 2) await subscription.return?.();
  });
  peer.confirm(await peer.read(SUBSCRIBE));
  peer.push('T', 1);
  peer.push('T', 2);
  peer.push('T', 3);
  await calling;
  assert.deepEqual(seen, [
    ['begin', 1],
    ['end', 1],
    ['begin', 2],
    ['end', 2],
  ]);
  await peer.read(UNSUBSCRIBE);
});

test('a callback that throws ends its subscription', async (t) => {
  const { client, peer } = await openPair(t);
  const calling = client.subscribe('T').each(() => {
    throw new Error('my fault');
  });
  peer.confirm(await peer.read(SUBSCRIBE));
  peer.push('T', 1);
  await assert.rejects(calling, /my fault/);
  await peer.read(UNSUBSCRIBE);
});

test('leaving one subscription keeps the types of another', async (t) => {
  const { client, peer } = await openPair(t);
  const prices = client.subscribe('PriceUpdate');
  const both = client.subscribe(['PriceUpdate', 'StatusChange']);
  peer.confirm(await peer.read(SUBSCRIBE));
  peer.confirm(await peer.read(SUBSCRIBE));
  await client.subscribe('PriceUpdate').return?.();
  await peer.read(SUBSCRIBE);
  await both.return?.();
  assert.deepEqual((await peer.read(UNSUBSCRIBE))['message_types'], ['StatusChange']);
  peer.push('PriceUpdate', 1);
  assert.equal((await prices.next()).value?.payload, 1);
});

test('unsubscribing from a type takes it from every subscription', async (t) => {
  const { client, peer } = await openPair(t);
  const prices = client.subscribe('PriceUpdate');
  const both = client.subscribe(['PriceUpdate', 'StatusChange']);
  peer.confirm(await peer.read(SUBSCRIBE));
  peer.confirm(await peer.read(SUBSCRIBE));
  const leaving = client.unsubscribe('PriceUpdate');
  const question = await peer.read(UNSUBSCRIBE);
  assert.deepEqual(question['message_types'], ['PriceUpdate']);
  peer.confirm(question, ['StatusChange']);
  assert.deepEqual(await leaving, ['StatusChange']);
  assert.deepEqual(await prices.next(), { value: undefined, done: true });
  assert.deepEqual([...both.types], ['StatusChange']);
  peer.push('PriceUpdate', 1);
  peer.push('StatusChange', 2);
  assert.equal((await both.next()).value?.payload, 2);
});

test('unsubscribing from everything ends all subscriptions', async (t) => {
  const { client, peer } = await openPair(t);
  const pushes = collect(client.subscribe(['PriceUpdate', 'StatusChange']));
  peer.confirm(await peer.read(SUBSCRIBE));
  const leaving = client.unsubscribe();
  const question = await peer.read(UNSUBSCRIBE);
  assert.deepEqual(question['message_types'], []);
  peer.confirm(question);
  assert.deepEqual(await leaving, []);
  assert.deepEqual(await pushes, []);
});

test('unsubscribing from nothing asks what there is', async (t) => {
  const { client, peer } = await openPair(t);
  const asking = client.unsubscribe([]);
  const question = await peer.read(SUBSCRIBE);
  assert.deepEqual(question['message_types'], []);
  peer.confirm(question, ['T']);
  assert.deepEqual(await asking, ['T']);
});

test('a subscription that is refused throws from its loop and from ready', async (t) => {
  const { client, peer } = await openPair(t);
  const subscription = client.subscribe('T');
  const failing = Promise.all([failureOf(subscription.ready), failureOf(collect(subscription))]);
  const { correlation_id } = await peer.read(SUBSCRIBE);
  peer.fail(correlation_id, 'PROTOCOL_ERROR', { subscribed_types: [] });
  const [ready, loop] = await failing;
  assert.equal(ready.constructor, acton.RequestError);
  assert.equal(ready, loop);
});

test('a subscription that is not confirmed in time fails', async (t) => {
  const clock = new FakeClock();
  const { client, peer } = await openPair(t, { clock });
  const failing = failureOf(collect(client.subscribe('T', { timeout: 20 })));
  await peer.read(SUBSCRIBE);
  clock.pass(20);
  assert.equal((await failing).constructor, acton.TimeoutError);
});

test('a signal ends a subscription', async (t) => {
  const { client, peer } = await openPair(t);
  const controller = new AbortController();
  const subscription = client.subscribe('T', { signal: controller.signal });
  const failing = failureOf(collect(subscription));
  peer.confirm(await peer.read(SUBSCRIBE));
  await subscription.ready;
  const reason = new Error('changed my mind');
  controller.abort(reason);
  assert.equal(await failing, reason);
  await peer.read(UNSUBSCRIBE);
});

test('a subscription that has ended before there is a connection is not sent', async (t) => {
  const stage = await openStage(t);
  const client = stage.client();
  const { signal } = new AbortController();
  await client.subscribe('T', { signal }).return?.();
  const aborted = { signal: AbortSignal.abort(new Error('too late')) };
  await assert.rejects(client.subscribe('T', aborted).next(), /too late/);
  const answer = client.send('a', 'Ping');
  const peer = await stage.accept();
  peer.answer(await peer.read(), 1);
  assert.equal(await answer, 1);
});

test('a push that cannot be read is passed over', async (t) => {
  const faults: unknown[] = [];
  const { client, peer } = await openPair(t, { onFault: (fault) => faults.push(fault) });
  const subscription = client.subscribe('T');
  peer.write(5, { payload: 1 });
  peer.push('T', 2);
  assert.equal((await subscription.next()).value?.payload, 2);
  assert.match(String(faults), /`message_type` is no string/);
});

test('closing the client ends loops over pushes', async (t) => {
  const { client, peer } = await openPair(t);
  const pushes = collect(client.subscribe('T'));
  peer.confirm(await peer.read(SUBSCRIBE));
  await client.close();
  assert.deepEqual(await pushes, []);
});

test('the end of the connection ends loops over pushes, with the reason', async (t) => {
  const { client, peer } = await openPair(t);
  const subscription = client.subscribe('T');
  const failing = failureOf(collect(subscription));
  peer.confirm(await peer.read(SUBSCRIBE));
  await subscription.ready;
  peer.socket.end();
  assert.equal((await failing).constructor, acton.PeerLostError);
});
