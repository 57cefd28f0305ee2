/** The frames and faults of the protocol's description, as far as they concern a client. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import * as acton from 'acton-ipc';

import { decodeBody, encodeBody } from '../src/bodies.js';
import { encodeFrame, Format, FrameReader, type FrameType, type Version } from '../src/frames.js';
import { messagePack } from './messagepack.js';
import {
  CANCEL,
  collect,
  DISCOVER,
  failureOf,
  HEARTBEAT,
  MESSAGE_PACK,
  openPair,
  openStage,
  PUSH,
  REFUSAL,
  STREAM,
  SUBSCRIBE,
  type Body,
  type Peer,
  type Sent,
} from './stub.js';

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly direction: 'client to server' | 'server to client' | 'both';
  readonly frame?: { readonly version: Version; readonly type: FrameType; readonly format: Format };
  readonly body?: Body;
  readonly canonical?: boolean;
  readonly closes?: boolean;
}

const FILE = fileURLToPath(new URL('../../../../../docs/wire-vectors.json', import.meta.url));
const isThere = existsSync(FILE);
const vectors = isThere ? (JSON.parse(readFileSync(FILE, 'utf8')) as Vector[]) : [];
const skip = isThere ? false : 'this folder is not where the vectors are';

const frames = vectors.filter(({ frame }) => frame !== undefined) as Required<Vector>[];
const ofServer = frames.filter(({ direction }) => direction !== 'client to server');
const faults = vectors.filter(({ frame, direction }) => !frame && direction === 'server to client');

function named(name: string): Required<Vector> {
  const vector = frames.find((each) => each.name === name);
  assert.ok(vector, `there is no vector "${name}"`);
  return vector;
}

const bytesOf = (vector: Vector): Buffer => Buffer.from(vector.hex, 'hex');

test('there are frames and faults for a client', { skip }, () => {
  assert.ok(ofServer.length > 60 && faults.length > 3);
});

test('every frame is read as it is meant', { skip }, () => {
  for (const vector of frames) {
    const [frame, ...others] = new FrameReader().feed(bytesOf(vector));
    assert.ok(frame !== undefined && others.length === 0, vector.name);
    const { version, type, format } = frame;
    assert.deepEqual({ version, type, format }, vector.frame, vector.name);
    if (type === HEARTBEAT) continue;
    const body = decodeBody(frame, messagePack);
    // One has a key that nobody knows.
    const known = Object.keys(vector.body).map((key) => [key, body[key]]);
    assert.deepEqual(Object.fromEntries(known), vector.body, vector.name);
    if (vector.canonical) assert.deepEqual(body, vector.body, vector.name);
  }
});

test('every canonical frame in JSON is written so to the byte', { skip }, () => {
  for (const vector of frames) {
    const { version, type, format } = vector.frame;
    if (!vector.canonical || format !== Format.JSON) continue;
    const payload = encodeBody(vector.body, format, undefined);
    const bytes = encodeFrame(version, type, format, payload);
    assert.equal(bytes.toString('hex'), vector.hex, vector.name);
  }
});

test('frames in MessagePack are written and read again', { skip }, () => {
  for (const { name, frame, body } of frames.filter(({ frame }) => frame.format === MESSAGE_PACK)) {
    const payload = encodeBody(body, frame.format, messagePack);
    const [read] = new FrameReader().feed(
      encodeFrame(frame.version, frame.type, frame.format, payload),
    );
    assert.deepEqual(read && decodeBody(read, messagePack), body, name);
  }
});

test('the client asks as in the vectors', { skip }, async (t) => {
  const timeout = 5_000;
  const ignore = (promise: Promise<unknown>): void => void promise.catch(() => undefined);
  const calls: Record<string, (client: acton.ActonClient) => void> = {
    'a message that expects no reply, without a timeout': (client) =>
      ignore(client.fireAndForget('a', 'SetValue', { value: 41 })),
    'a request for a reply': (client) =>
      ignore(client.send('a', 'SetValue', { value: 41 }, { timeout })),
    'a request for a reply in version 1': (client) =>
      ignore(client.send('a', 'SetValue', { value: 41 }, { timeout })),
    'a request that waits for ever': (client) =>
      ignore(client.send('a', 'Ping', null, { timeout: Infinity })),
    'a request with headers': (client) => {
      const { headers } = named('a request with headers').body;
      ignore(client.send('a', 'Ping', null, { timeout, headers }));
    },
    'a request in MessagePack': (client) => ignore(client.send('a', 'Ping')),
    'a request for a stream': (client) => void client.stream('a', 'Count', { to: 2 }, { timeout }),
    'a request for a stream in MessagePack': (client) =>
      void client.stream('a', 'Count', { to: 2 }, { timeout }),
    'a subscription': (client) => void client.subscribe('T'),
    'a subscription in MessagePack': (client) => void client.subscribe(['T', 'U']),
    'a subscription to nothing, which asks what there is': (client) =>
      ignore(client.unsubscribe([])),
    'the end of one subscription': (client) => ignore(client.unsubscribe('T')),
    'the end of one subscription in MessagePack': (client) => ignore(client.unsubscribe('T')),
    'the end of all subscriptions': (client) => ignore(client.unsubscribe()),
    'a question what the server has to offer': (client) => ignore(client.discover()),
    'a question what the server has to offer, in MessagePack': (client) =>
      ignore(client.discover()),
    'a question what the server can do, and nothing else': (client) =>
      ignore(client.discover({ actors: false, messageTypes: false })),
    'a question that asks for schemas': (client) => ignore(client.discover({ schemas: true })),
    'our heartbeat and its answer': (client) => ignore(client.heartbeat()),
    'a heartbeat in version 1': (client) => ignore(client.heartbeat()),
  };
  for (const [name, call] of Object.entries(calls)) {
    const vector = named(name);
    const { client, peer } = await openLike(t, vector);
    call(client);
    const sent = await peer.readFrame();
    assertLike(sent, vector);
    await client.close();
  }
});

test('the client cancels as in the vectors', { skip }, async (t) => {
  for (const name of [
    'the wish that a request be given up',
    'the wish that a request be given up, in MessagePack',
  ]) {
    const vector = named(name);
    const { client, peer } = await openLike(t, vector);
    const stream = client.stream('a', 'Count');
    await peer.readFrame();
    await stream.return?.();
    if (vector.frame.format !== MESSAGE_PACK) {
      peer.tellCapabilities(await peer.read(DISCOVER), { cancel: true });
    }
    const sent = await peer.readFrame();
    assert.equal(sent.kind, CANCEL);
    assertLike(sent, vector);
  }
});

/** Asserts that all but the id is as in the vector. */
function assertLike({ version, kind, format, body }: Sent, vector: Required<Vector>): void {
  assert.deepEqual({ version, type: kind, format }, vector.frame, vector.name);
  const normal: Body = JSON.parse(JSON.stringify(body, (_, item) => narrow(item)));
  if (kind !== HEARTBEAT) normal['correlation_id'] = vector.body['correlation_id'];
  assert.deepEqual(normal, vector.body, vector.name);
}

function narrow(item: unknown): unknown {
  return typeof item === 'bigint' ? Number(item) : item;
}

/** Opens a pair that speaks the version and the format of the vector. */
async function openLike(
  t: TestContext,
  { frame }: Required<Vector>,
): Promise<{ client: acton.ActonClient; peer: Peer }> {
  if (frame.format !== MESSAGE_PACK) return openPair(t, { version: frame.version });
  const stage = await openStage(t);
  const client = stage.client({ messagePack });
  const connecting = client.connect();
  const peer = await stage.accept();
  peer.tellCapabilities(await peer.read(DISCOVER), { messagepack: true, cancel: true });
  await connecting;
  return { client, peer };
}

test('every answer of a server means what it says', { skip }, async (t) => {
  for (const vector of ofServer) {
    const { client, peer } = await openLike(t, vector);
    await checkAnswer(vector, client, peer);
    await client.close();
  }
});

async function checkAnswer(
  vector: Required<Vector>,
  client: acton.ActonClient,
  peer: Peer,
): Promise<void> {
  const id: unknown = vector.body['correlation_id'];
  if (vector.frame.type === HEARTBEAT) return checkHeartbeat(vector, client, peer);
  if (vector.frame.type === PUSH) return checkPush(vector, client, peer);
  if (vector.frame.type === STREAM) return checkPart(vector, client, peer);
  if (id === REFUSAL) return checkRefusal(vector, client, peer);
  if (id === 'unknown') return checkLastWords(vector, client, peer);
  return checkReply(vector, client, peer);
}

async function checkHeartbeat(
  vector: Vector,
  client: acton.ActonClient,
  peer: Peer,
): Promise<void> {
  const beating = client.heartbeat();
  await peer.readFrame();
  peer.socket.write(bytesOf(vector));
  assert.ok((await beating) >= 0, vector.name);
}

async function checkPush(
  { name, hex, body }: Required<Vector>,
  client: acton.ActonClient,
  peer: Peer,
): Promise<void> {
  const subscription = client.subscribe(body['message_type']);
  await peer.read(SUBSCRIBE);
  peer.socket.write(Buffer.from(hex, 'hex'));
  const { value } = await subscription.next();
  const expected = {
    notificationId: body['notification_id'],
    messageType: body['message_type'],
    payload: body['payload'],
    timestampMs: body['timestamp_ms'],
    sourceActor: body['source_actor'],
    dropped: body['dropped'] ?? 0,
    isAfterGap: false,
  };
  assert.deepEqual(value, expected, name);
}

async function checkPart(
  { name, frame, body }: Required<Vector>,
  client: acton.ActonClient,
  peer: Peer,
): Promise<void> {
  const stream = client.stream('a', 'Count');
  const request = (await peer.readFrame()).body;
  const before = Array.from({ length: body['sequence'] }, (_, number) => number);
  for (const number of before) peer.part(request, number, number);
  const { correlation_id } = request;
  peer.write(STREAM, { ...body, correlation_id }, frame);
  for (const number of before) assert.equal((await stream.next()).value, number, name);
  if (body['is_final'] !== true) {
    assert.deepEqual(await stream.next(), { value: body['payload'], done: false }, name);
  } else if (body['error_code'] === undefined) {
    assert.deepEqual(await stream.next(), { value: undefined, done: true }, name);
  } else {
    assertFailure(await failureOf(stream.next()), body, name);
  }
}

async function checkRefusal(
  { name, hex, body }: Required<Vector>,
  client: acton.ActonClient,
  peer: Peer,
): Promise<void> {
  const failing = failureOf(client.send('a', 'Ping'));
  peer.socket.write(Buffer.from(hex, 'hex'));
  const error = await failing;
  assert.equal(error.constructor, acton.ConnectionRefusedError, name);
  assert.deepEqual([error.code, error.limit], [body['error_code'], body['payload']?.limit], name);
}

async function checkLastWords(
  { name, hex, body }: Required<Vector>,
  client: acton.ActonClient,
  peer: Peer,
): Promise<void> {
  const failing = failureOf(client.send('a', 'Ping'));
  await peer.readFrame();
  peer.socket.end(Buffer.from(hex, 'hex'));
  const error = await failing;
  assert.equal(error.constructor, acton.PeerLostError, name);
  assertFailure(error.lastWords, body, name);
}

async function checkReply(
  { name, frame, body }: Required<Vector>,
  client: acton.ActonClient,
  peer: Peer,
): Promise<void> {
  const isDiscovery = body['protocol_version'] !== undefined;
  const isSubscribed = body['subscribed_types'] !== undefined;
  const asking: Promise<unknown> = isDiscovery
    ? client.discover()
    : isSubscribed
      ? client.unsubscribe()
      : client.ask('a', 'Ping');
  const outcome = asking.catch((reason: unknown) => reason);
  const { correlation_id } = (await peer.readFrame()).body;
  peer.write(frame.type, { ...body, correlation_id }, frame);
  const answer: any = await outcome;
  if (body['success'] !== true) assertFailure(answer, body, name);
  else if (isDiscovery) assertDiscovery(answer, body, name);
  else if (isSubscribed) assert.deepEqual(answer, body['subscribed_types'], name);
  else
    assert.deepEqual(
      [answer.payload, answer.messageType],
      [body['payload'], body['message_type']],
      name,
    );
}

function assertFailure(error: any, body: Body, name: string): void {
  assert.ok(error instanceof acton.RequestError, name);
  assert.equal(error.code, body['error_code'] ?? 'UNKNOWN', name);
  assert.equal(error.text, body['error'], name);
  assert.deepEqual(error.payload, body['payload'], name);
  if (body['error_code'] === 'REJECTED') {
    assert.ok(error instanceof acton.RejectedError, name);
    assert.equal(error.messageType, body['message_type'], name);
  }
}

function assertDiscovery(discovery: acton.Discovery, body: Body, name: string): void {
  const { current, capabilities } = discovery.protocol;
  assert.equal(current, body['protocol_version'].current, name);
  const { cancel = false, ...others } = body['protocol_version'].capabilities;
  assert.deepEqual(capabilities, { cancel, ...others }, name);
  const actors = (body['actors'] ?? []).map((actor: Body) => ({ accepts: undefined, ...actor }));
  assert.deepEqual(discovery.actors, actors, name);
  assert.deepEqual(discovery.messageTypes, body['message_types'] ?? [], name);
  assert.deepEqual(discovery.schemas, body['schemas'], name);
}

test(
  'of what no server should send some ends the connection, the rest is passed over',
  { skip },
  async (t) => {
    for (const vector of faults) {
      const { client, peer } = await openPair(t);
      const outcome = collectOne(client);
      const request = await peer.read();
      peer.socket.write(bytesOf(vector));
      if (vector.closes) {
        await peer.readEnd();
        assert.ok((await outcome) instanceof acton.ProtocolError, vector.name);
      } else {
        peer.answer(request, 'fine');
        assert.equal(await outcome, 'fine', vector.name);
      }
    }
  },
);

async function collectOne(client: acton.ActonClient): Promise<unknown> {
  return client.send('a', 'Ping').catch((reason: unknown) => reason);
}

test('a stream of vectors is a stream', { skip }, async (t) => {
  const { client, peer } = await openPair(t);
  const items = collect(client.stream('a', 'Count'));
  const { correlation_id } = await peer.read();
  for (const name of ['a reply of a stream', 'the end of a stream']) {
    peer.write(STREAM, { ...named(name).body, correlation_id });
  }
  assert.deepEqual(await items, [named('a reply of a stream').body['payload']]);
});
