/** Servers that have gone mad: whatever they send, every call ends. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ActonClient } from 'acton-ipc';

import {
  collect,
  ERROR,
  frame,
  HEARTBEAT,
  openPair,
  PUSH,
  RESPONSE,
  STREAM,
  type Peer,
} from './stub.js';

const ROUNDS = 200;

/** Numbers that look random and are the same every time. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed + 1;
  }

  roll(sides: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * sides);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.roll(items.length)]!;
  }
}

const VALUES = [null, true, 0, -1, 0.5, '', 'unknown', 'x', [], {}, { limit: 'no' }, [[]]];

function nonsense(dice: Dice, ids: readonly string[]): Buffer {
  const body: Record<string, unknown> = {};
  const keys = [
    'success',
    'payload',
    'sequence',
    'is_final',
    'error',
    'error_code',
    'message_type',
    'dropped',
  ];
  for (const key of keys) if (dice.roll(2) === 0) body[key] = dice.pick(VALUES);
  body['correlation_id'] = dice.pick([...ids, ...ids, dice.pick(VALUES)]);
  const type = dice.pick([RESPONSE, ERROR, HEARTBEAT, PUSH, STREAM, 1, 6]);
  return frame(type, body, { version: dice.pick([2, 2, 2, 1]), format: dice.pick([1, 1, 1, 2]) });
}

function damage(bytes: Buffer, dice: Dice): Buffer {
  if (dice.roll(3) > 0) return bytes;
  const damaged = Buffer.from(bytes);
  damaged[dice.roll(damaged.length)] = dice.roll(256);
  return damaged.subarray(0, dice.pick([damaged.length, dice.roll(damaged.length)]));
}

async function readIds(peer: Peer, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) ids.push((await peer.readFrame()).body['correlation_id'] ?? '');
  return ids;
}

function makeCalls(client: ActonClient): Promise<unknown>[] {
  return [
    client.send('a', 'Ping'),
    client.fireAndForget('a', 'Ping'),
    collect(client.stream('a', 'Count')),
    collect(client.subscribe('x')),
    client.discover(),
    client.heartbeat(),
  ];
}

test('whatever a server sends before it leaves, every call ends', async (t) => {
  for (let round = 0; round < ROUNDS; round++) {
    const dice = new Dice(round);
    const { client, peer } = await openPair(t);
    const outcomes = Promise.allSettled(makeCalls(client));
    const ids = await readIds(peer, 6);
    const bytes = Array.from({ length: 10 }, () => damage(nonsense(dice, ids), dice));
    peer.socket.end(Buffer.concat(bytes));
    assert.equal((await outcomes).length, 6);
    await client.close();
  }
});
