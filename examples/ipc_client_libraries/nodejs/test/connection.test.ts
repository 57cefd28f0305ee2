/** How a connection begins, and all the ways in which it ends. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';

import * as acton from 'acton-ipc';

import {
  ERROR,
  failureOf,
  frame,
  newStage,
  openPair,
  openStage,
  REFUSAL,
  REQUEST,
  RESPONSE,
} from './stub.js';

const run = promisify(execFile);

test('the end of the connection rejects what is pending and what comes later', async (t) => {
  const { client, peer } = await openPair(t);
  const failing = Promise.all([
    failureOf(client.send('a', 'Ping')),
    failureOf(client.fireAndForget('a', 'Ping')),
    failureOf(client.stream('a', 'Count').next()),
    failureOf(client.subscribe('T').next()),
    failureOf(client.discover()),
    failureOf(client.heartbeat()),
  ]);
  for (let count = 0; count < 6; count++) await peer.readFrame();
  peer.socket.end();
  for (const error of await failing) {
    assert.equal(error.constructor, acton.PeerLostError);
    assert.equal(error.message, 'the server has closed the connection');
    assert.equal(error.isSafeToRepeat, false);
  }
  await assert.rejects(client.send('a', 'Ping'), acton.PeerLostError);
});

test('the end amid a frame is an end', async (t) => {
  for (const cut of [-1, 3, 6]) {
    const { client, peer } = await openPair(t);
    const failing = failureOf(client.send('a', 'Ping'));
    const { correlation_id } = await peer.read();
    peer.socket.end(frame(RESPONSE, { correlation_id, success: true }).subarray(0, cut));
    assert.equal((await failing).constructor, acton.PeerLostError);
  }
});

test('a connection that is cut with something unread is lost', async (t) => {
  const { client, peer } = await openPair(t);
  const failing = Promise.all([failureOf(client.send('a', 'Ping')), failureOf(client.heartbeat())]);
  // Of the request only a part is read, of the heartbeat nothing.
  await new Promise((resolve) => peer.socket.once('readable', resolve));
  peer.socket.read(5);
  peer.socket.destroy();
  for (const error of await failing) assert.equal(error.constructor, acton.PeerLostError);
});

test('an answer before the end counts', async (t) => {
  const { client, peer } = await openPair(t);
  const answer = client.send('a', 'Ping');
  peer.answer(await peer.read(), 'goodbye');
  peer.socket.end();
  assert.equal(await answer, 'goodbye');
});

test('the last words of a server are passed on', async (t) => {
  const { client, peer } = await openPair(t);
  const failing = failureOf(client.send('a', 'Ping'));
  await peer.read();
  peer.fail('unknown', 'CONNECTION_CLOSED');
  peer.socket.end();
  const error = await failing;
  assert.equal(error.constructor, acton.PeerLostError);
  assert.equal(error.lastWords.code, 'CONNECTION_CLOSED');
  assert.match(error.message, /text of CONNECTION_CLOSED/);
});

test('a refusal fails every call, now and later', async (t) => {
  const stage = await openStage(t);
  const client = stage.client();
  const failing = [failureOf(client.send('a', 'Ping')), failureOf(client.subscribe('T').next())];
  const peer = await stage.accept();
  peer.fail(REFUSAL, 'CONNECTION_LIMIT_REACHED', { payload: { limit: 3 } });
  peer.socket.end();
  for (const error of [...(await Promise.all(failing)), await failureOf(client.connect())]) {
    assert.equal(error.constructor, acton.ConnectionRefusedError);
    assert.deepEqual([error.code, error.limit], ['CONNECTION_LIMIT_REACHED', 3]);
    assert.equal(error.isSafeToRepeat, true);
  }
});

test('refusals for other reasons are refusals', async (t) => {
  for (const [code, isSafe] of [
    ['ACCESS_DENIED', true],
    ['OF_THE_FUTURE', false],
  ] as const) {
    const { client, peer } = await openPair(t);
    const failing = failureOf(client.send('a', 'Ping'));
    await peer.read();
    peer.fail(REFUSAL, code);
    const error = await failing;
    assert.equal(error.constructor, acton.ConnectionRefusedError);
    assert.deepEqual([error.code, error.limit, error.isSafeToRepeat], [code, undefined, isSafe]);
    await peer.readEnd();
  }
});

test('a refusal is read though the server has left before we write', async (t) => {
  const stage = await newStage(t);
  const body = { correlation_id: REFUSAL, success: false, error_code: 'ACCESS_DENIED' };
  const left = new Int32Array(new SharedArrayBuffer(4));
  // In a thread of its own, so that it can leave while we do nothing at all.
  const server = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     const { path, refusal, left } = workerData;
     const server = require('node:net').createServer((socket) => {
       server.close();
       parentPort.once('message', () => socket.end(refusal, () => socket.destroy()));
       socket.on('close', () => {
         Atomics.store(left, 0, 1);
         Atomics.notify(left, 0);
       });
     });
     server.listen(path, () => parentPort.postMessage('listening'));`,
    { eval: true, workerData: { path: stage.path, refusal: frame(ERROR, body), left } },
  );
  await once(server, 'message');
  const client = stage.client();
  await client.connect();
  server.postMessage('leave');
  Atomics.wait(left, 0, 0);
  const error = await failureOf(client.send('a', 'Ping'));
  assert.equal(error.constructor, acton.ConnectionRefusedError);
  assert.equal(error.code, 'ACCESS_DENIED');
  await once(server, 'exit');
});

test('garbage ends the connection, here and there', async (t) => {
  const faults: Record<string, string> = {
    'protocol version 0x03': '00000000 0302',
    'protocol version 0x50': '48545450 502f312e 31',
    'frame type 0x63': '00000000 0263',
    'unknown format 0x09': '00000000 020209',
    'exceeds the limit': '01000001 020201',
  };
  for (const [message, bytes] of Object.entries(faults)) {
    const { client, peer } = await openPair(t);
    const failing = failureOf(client.send('a', 'Ping'));
    await peer.read();
    peer.socket.write(Buffer.from(bytes.replaceAll(' ', ''), 'hex'));
    const error = await failing;
    assert.equal(error.constructor, acton.ProtocolError);
    assert.match(error.message, new RegExp(message));
    await peer.readEnd();
    await assert.rejects(client.send('a', 'Ping'), acton.ProtocolError);
  }
});

test('bodies that cannot be read and frames of clients are passed over', async (t) => {
  const faults: unknown[] = [];
  const { client, peer } = await openPair(t, { onFault: (fault) => faults.push(fault) });
  const answer = client.send('a', 'Ping');
  const request = await peer.read();
  const { correlation_id } = request;
  const bodies = ['', '[]', '{"x":', '\xff', '{}', '{"correlation_id":1,"success":true}'];
  for (const body of [...bodies, JSON.stringify({ correlation_id, success: 'yes' })]) {
    const header = Buffer.alloc(7);
    header.writeUInt32BE(Buffer.byteLength(body, 'latin1'));
    header.set([2, RESPONSE, 1], 4);
    peer.socket.write(Buffer.concat([header, Buffer.from(body, 'latin1')]));
  }
  peer.write(RESPONSE, { correlation_id, success: true }, { format: 2 });
  peer.write(REQUEST, { correlation_id, success: true, payload: 'no answer' });
  peer.answer(request, 'the answer');
  assert.equal(await answer, 'the answer');
  assert.equal(faults.length, bodies.length + 2);
});

test('nothing that a program does with a fault harms the connection', async (t) => {
  const { client, peer } = await openPair(t);
  const answer = client.send('a', 'Ping');
  const request = await peer.read();
  peer.socket.write(Buffer.from('00000002020201' + '5b5d', 'hex'));
  peer.answer(request, 1);
  assert.equal(await answer, 1);
});

test('closing rejects what is pending, and what comes later', async (t) => {
  const { client, peer } = await openPair(t);
  const failing = failureOf(client.send('a', 'Slow'));
  const stream = failureOf(client.stream('a', 'Count').next());
  await peer.read();
  await client.close();
  await client.close();
  assert.equal((await failing).constructor, acton.ClientClosedError);
  assert.equal((await stream).constructor, acton.ClientClosedError);
  await assert.rejects(client.send('a', 'Ping'), acton.ClientClosedError);
  await assert.rejects(client.connect(), acton.ClientClosedError);
  await assert.rejects(client.subscribe('T').next(), acton.ClientClosedError);
});

test('closing before there is a connection leaves none', async (t) => {
  const stage = await openStage(t);
  const client = stage.client();
  const failing = failureOf(client.send('a', 'Ping'));
  await client.close();
  assert.equal((await failing).constructor, acton.ClientClosedError);
  await (await stage.accept()).readEnd();
});

test('a client is disposable', async (t) => {
  const { client, peer } = await openPair(t);
  await client[Symbol.asyncDispose]();
  await peer.readEnd();
  await assert.rejects(client.send('a', 'Ping'), acton.ClientClosedError);
});

test('nobody listens', async (t) => {
  const client = (await newStage(t)).client();
  const error = await failureOf(client.send('a', 'Ping'));
  assert.equal(error.constructor, acton.ConnectError);
  assert.match(error.message, /ipc\.sock/);
  assert.equal(error.isSafeToRepeat, true);
  await assert.rejects(client.connect(), acton.ConnectError);
  await assert.rejects(client.subscribe('T').next(), acton.ConnectError);
});

test('a server that comes up later is found', async (t) => {
  const stage = await newStage(t);
  const client = stage.client();
  await assert.rejects(client.connect(), acton.ConnectError);
  await stage.listen();
  const answer = client.send('a', 'Ping');
  const peer = await stage.accept();
  peer.answer(await peer.read(), 'fine');
  assert.equal(await answer, 'fine');
});

test('calls before the connection leave in their order', async (t) => {
  const stage = await openStage(t);
  const client = stage.client();
  const answers = Promise.all([1, 2, 3].map((n) => client.send('a', 'Echo', n)));
  const peer = await stage.accept();
  for (const n of [1, 2, 3]) {
    const request = await peer.read();
    assert.equal(request['payload'], n);
    peer.answer(request, n);
  }
  assert.deepEqual(await answers, [1, 2, 3]);
});

test('a program that forgets to close ends nevertheless', async (t) => {
  const stage = await openStage(t);
  const program = `
    import { ActonClient } from 'acton-ipc';
    const client = new ActonClient(${JSON.stringify(stage.path)});
    void client.subscribe('T');
    console.log(await client.send('my-service', 'GetValue', {}));
  `;
  const running = run(process.execPath, ['--input-type=module', '-e', program]);
  const peer = await stage.accept();
  peer.confirm(await peer.read(6));
  peer.answer(await peer.read(), { value: 42 });
  assert.equal((await running).stdout, '{ value: 42 }\n');
});

test('the example sets a value and reads it back', async (t) => {
  const stage = await openStage(t);
  const running = run(process.execPath, ['example.mjs', stage.path]);
  const peer = await stage.accept();
  const message = await peer.read();
  assert.equal(message['message_type'], 'SetValue');
  peer.answer(message, { status: 'delivered' });
  peer.answer(await peer.read(), message['payload']);
  assert.equal((await running).stdout, 'Value: {"value":42}\n');
});
