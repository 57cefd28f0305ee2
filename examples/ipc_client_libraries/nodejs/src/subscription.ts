/** Messages that are broadcast to everybody who asked for their type. */

import type { Body } from './frames.js';
import { AsyncQueue, type QueueOwner } from './queue.js';

/** A message of a subscribed type. */
export interface Push<T = unknown> {
  readonly notificationId: string;
  readonly messageType: string;
  readonly payload: T;
  readonly timestampMs: number;
  readonly sourceActor: string | undefined;
  /** How many pushes were lost before this one because nobody read them. */
  readonly dropped: number;
}

const MAX_WAITING_PUSHES = 1024;

/**
 * Pushes of some types, from `client.subscribe` until the loop over it is left.
 *
 * Leaving the loop unsubscribes from types that no other subscription has.
 * Pushes wait for their reader, up to a limit; the first one after a loss says
 * how many are missing.
 */
export interface Subscription<T = unknown>
  extends AsyncIterableIterator<Push<T>, undefined>,
    AsyncDisposable {
  readonly types: ReadonlySet<string>;
  /** Resolves when the server has confirmed; the loop does not need it. */
  readonly ready: Promise<void>;
}

/** The subscription as its client sees it. */
export class PushQueue<T = unknown> extends AsyncQueue<Push<T>> implements Subscription<T> {
  readonly types: ReadonlySet<string>;
  readonly ready: Promise<void>;
  #lost = 0;

  constructor(types: Iterable<string>, confirmed: Promise<unknown>, owner: QueueOwner) {
    super(owner);
    this.types = new Set(types);
    this.ready = confirmed.then(() => undefined);
    // Whoever only loops gets the failure from the loop.
    this.ready.catch((reason: unknown) => this.fail(reason));
  }

  /** Takes a push, if it is of our types. */
  offer(body: Body): void {
    const messageType = String(body['message_type']);
    if (!this.types.has(messageType)) return;
    const dropped = this.#lost + numberOf(body['dropped']);
    if (this.size >= MAX_WAITING_PUSHES) {
      this.#lost = dropped + 1;
      return;
    }
    this.#lost = 0;
    const source = body['source_actor'];
    this.put({
      notificationId: String(body['notification_id']),
      messageType,
      payload: body['payload'] as T,
      timestampMs: numberOf(body['timestamp_ms']),
      sourceActor: typeof source === 'string' ? source : undefined,
      dropped,
    });
  }
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
