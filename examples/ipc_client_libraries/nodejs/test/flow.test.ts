/** When a connection is read, without one. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Flow } from '../src/flow.js';
import { FakeClock } from './clock.js';

function makeFlow(): {
  flow: Flow;
  clock: FakeClock;
  state: Record<string, boolean>;
  log: string[];
} {
  const clock = new FakeClock();
  const state = { isBehind: false, isNeeded: false };
  const log: string[] = [];
  const valve = { pause: () => void log.push('pause'), resume: () => void log.push('resume') };
  const demand = { isBehind: () => state.isBehind, isNeeded: () => state.isNeeded };
  return { flow: new Flow(clock, valve, demand), clock, state, log };
}

test('a connection is paused while somebody is behind and nobody waits', () => {
  const { flow, state, log } = makeFlow();
  flow.update();
  state['isBehind'] = true;
  flow.update();
  flow.update();
  assert.deepEqual(log, ['pause']);
  state['isNeeded'] = true;
  flow.update();
  assert.deepEqual(log, ['pause', 'resume']);
  state['isNeeded'] = false;
  flow.update();
  state['isBehind'] = false;
  flow.update();
  assert.deepEqual(log, ['pause', 'resume', 'pause', 'resume']);
});

test('a paused connection is read now and then, so that the server does not cut it', () => {
  const { flow, clock, state, log } = makeFlow();
  state['isBehind'] = true;
  flow.update();
  clock.pass(9_999);
  assert.deepEqual(log, ['pause']);
  clock.pass(1);
  assert.deepEqual(log, ['pause', 'resume']);
  // A piece has come.
  flow.update();
  assert.deepEqual(log, ['pause', 'resume', 'pause']);
});

test('what has ended is not read again', () => {
  const { flow, clock, state, log } = makeFlow();
  state['isBehind'] = true;
  flow.update();
  flow.stop();
  clock.pass(100_000);
  assert.deepEqual(log, ['pause']);
});
