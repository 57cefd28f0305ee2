/** Connections that are lost and made anew. */

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';

import * as acton from 'acton-ipc';

import { Backoff } from '../src/backoff.js';
import { FakeClock } from './clock.js';
import {
  collect,
  failureOf,
  newStage,
  openStage,
  REFUSAL,
  SUBSCRIBE,
  type Peer,
  type Stage,
} from './stub.js';

interface Scene {
  readonly clock: FakeClock;
  readonly stage: Stage;
  readonly client: acton.ActonClient;
  readonly peer: Peer;
}

async function openScene(
  test: TestContext,
  reconnect: acton.ReconnectOptions = {},
): Promise<Scene> {
  const clock = new FakeClock();
  const stage = await openStage(test);
  const client = stage.client({ clock, idleTimeout: 0, reconnect: { jitter: 0, ...reconnect } });
  const [peer] = await Promise.all([stage.accept(), client.connect()]);
  return { clock, stage, client, peer };
}

/** Ends the connection, and returns when the client has noticed. */
async function lose({ client, peer }: Scene): Promise<void> {
  const failing = failureOf(client.heartbeat({ timeout: Infinity }));
  await peer.readFrame();
  peer.socket.destroy();
  await failing;
}

/** Lets time pass until the clock rings, and returns when nothing is due any more. */
async function ring(clock: FakeClock): Promise<void> {
  while (clock.alarms === 0) await new Promise(setImmediate);
  clock.pass(60_000);
}

test('waits grow up to a limit, shortened at random, and begin anew', () => {
  const backoff = new Backoff({ initialDelay: 100, maxDelay: 500, jitter: 0.5, maxAttempts: 5 });
  assert.deepEqual(
    [0, 0, 0, 0].map((random) => backoff.next(random)),
    [100, 200, 400, 500],
  );
  assert.equal(backoff.next(1), 250);
  assert.equal(backoff.next(), undefined);
  backoff.reset();
  assert.equal(backoff.next(0), 100);
});

test('what is in flight fails and is never sent again, what comes later is', async (t) => {
  const scene = await openScene(t);
  const { client, peer, stage, clock } = scene;
  const failing = [
    failureOf(client.send('a', 'First')),
    failureOf(client.stream('a', 'Count').next()),
  ];
  await peer.read();
  await peer.read();
  peer.socket.destroy();
  for (const error of await Promise.all(failing)) {
    assert.equal(error.constructor, acton.PeerLostError);
  }
  const answer = client.send('a', 'Second');
  clock.pass(100);
  const next = await stage.accept();
  const request = await next.read();
  assert.equal(request['message_type'], 'Second');
  next.answer(request, 2);
  assert.equal(await answer, 2);
});

test('subscriptions are taken up again, with a mark where the gap is', async (t) => {
  const scene = await openScene(t);
  const { client, peer, stage, clock } = scene;
  const prices = client.subscribe('PriceUpdate');
  const states = client.subscribe(['StatusChange', 'PriceUpdate']);
  peer.confirm(await peer.read(SUBSCRIBE));
  peer.confirm(await peer.read(SUBSCRIBE));
  peer.push('PriceUpdate', 1);
  await Promise.all([prices.ready, states.ready]);
  assert.equal((await prices.next()).value?.isAfterGap, false);
  await lose(scene);
  const waiting = prices.next();
  clock.pass(100);
  const next = await stage.accept();
  const question = await next.read(SUBSCRIBE);
  assert.deepEqual(question['message_types'].toSorted(), ['PriceUpdate', 'StatusChange']);
  next.confirm(question);
  next.push('PriceUpdate', 2);
  next.push('PriceUpdate', 3);
  const { value } = await waiting;
  assert.deepEqual([value?.payload, value?.isAfterGap], [2, true]);
  assert.equal((await prices.next()).value?.isAfterGap, false);
  const seen = [await states.next(), await states.next(), await states.next()];
  assert.deepEqual(
    seen.map(({ value: push }) => push?.isAfterGap),
    [false, true, false],
  );
});

test('a subscription that was lost before it was confirmed is taken up, too', async (t) => {
  const scene = await openScene(t);
  const { client, peer, stage, clock } = scene;
  const subscription = client.subscribe('T');
  await peer.read(SUBSCRIBE);
  await lose(scene);
  clock.pass(100);
  const next = await stage.accept();
  next.confirm(await next.read(SUBSCRIBE));
  await subscription.ready;
});

test('a subscription that the next server refuses ends', async (t) => {
  const scene = await openScene(t);
  const { client, peer, stage, clock } = scene;
  const subscription = client.subscribe('T');
  peer.confirm(await peer.read(SUBSCRIBE));
  await subscription.ready;
  await lose(scene);
  const failing = failureOf(collect(subscription));
  clock.pass(100);
  const next = await stage.accept();
  next.fail((await next.read(SUBSCRIBE))['correlation_id'], 'PROTOCOL_ERROR');
  assert.equal((await failing).code, 'PROTOCOL_ERROR');
});

test('a subscription that was left meanwhile is not taken up', async (t) => {
  const scene = await openScene(t);
  const { client, peer, stage, clock } = scene;
  const subscription = client.subscribe('T');
  peer.confirm(await peer.read(SUBSCRIBE));
  await subscription.ready;
  await lose(scene);
  await subscription.return?.();
  clock.pass(100);
  const next = await stage.accept();
  const answer = client.send('a', 'Ping');
  next.answer(await next.read(), 1);
  assert.equal(await answer, 1);
});

test('calls wait for a server that is not there yet', async (t) => {
  const clock = new FakeClock();
  const stage = await newStage(t);
  const reconnect = { jitter: 0 };
  const client = stage.client({ clock, idleTimeout: 0, reconnect, timeout: Infinity });
  const answer = client.send('a', 'Ping');
  await ring(clock);
  await ring(clock);
  // Between two attempts.
  while (clock.alarms === 0) await new Promise(setImmediate);
  await stage.listen();
  clock.pass(60_000);
  const peer = await stage.accept();
  peer.answer(await peer.read(), 'fine');
  assert.equal(await answer, 'fine');
});

test('a call that waits in vain says that it was not sent', async (t) => {
  const clock = new FakeClock();
  const client = (await newStage(t)).client({ clock, reconnect: { initialDelay: 500_000 } });
  const failing = failureOf(client.send('a', 'Ping', null, { timeout: 5_000 }));
  clock.pass(6_000);
  const error = await failing;
  assert.equal(error.constructor, acton.TimeoutError);
  assert.deepEqual([error.isSent, error.isSafeToRepeat], [false, true]);
  assert.match(error.message, /no connection in 6000 ms/);
});

test('after so many attempts in vain the client ends', async (t) => {
  const scene = await openScene(t, { maxAttempts: 2 });
  const { client, stage, clock } = scene;
  stage.stop();
  await lose(scene);
  const failing = failureOf(client.send('a', 'Ping', null, { timeout: Infinity }));
  await ring(clock);
  await ring(clock);
  assert.equal((await failing).constructor, acton.ConnectError);
  await assert.rejects(client.send('a', 'Ping'), acton.ConnectError);
});

test('attempts are counted anew once the server has answered', async (t) => {
  const scene = await openScene(t, { maxAttempts: 1 });
  for (let round = 0; round < 3; round++) {
    const { client, stage, clock } = scene;
    await lose(scene);
    const answer = client.send('a', 'Ping', null, { timeout: Infinity });
    clock.pass(100);
    const peer = await stage.accept();
    peer.answer(await peer.read(), round);
    assert.equal(await answer, round);
    Object.assign(scene, { peer });
  }
});

test('a refusal fails the calls, and another attempt is made', async (t) => {
  const scene = await openScene(t);
  const { client, peer, stage, clock } = scene;
  const failing = failureOf(client.send('a', 'Ping'));
  await peer.read();
  peer.fail(REFUSAL, 'CONNECTION_LIMIT_REACHED');
  assert.equal((await failing).constructor, acton.ConnectionRefusedError);
  const answer = client.send('a', 'Ping');
  clock.pass(100);
  const next = await stage.accept();
  next.answer(await next.read(), 1);
  assert.equal(await answer, 1);
});

test('who is denied access, or no server of the protocol, is not tried again', async (t) => {
  for (const isDenied of [true, false]) {
    const { client, peer, clock } = await openScene(t);
    const failing = failureOf(collect(client.subscribe('T')));
    await peer.read(SUBSCRIBE);
    if (isDenied) peer.fail(REFUSAL, 'ACCESS_DENIED');
    else peer.socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    const Class = isDenied ? acton.ConnectionRefusedError : acton.ProtocolError;
    assert.equal((await failing).constructor, Class);
    assert.equal(clock.alarms, 0);
    await assert.rejects(client.connect(), Class);
  }
});

test('closing ends the attempts', async (t) => {
  const scene = await openScene(t);
  const { client, clock } = scene;
  await lose(scene);
  const failing = failureOf(client.send('a', 'Ping', null, { timeout: Infinity }));
  await client.close();
  assert.equal((await failing).constructor, acton.ClientClosedError);
  assert.equal(clock.alarms, 0);
});
