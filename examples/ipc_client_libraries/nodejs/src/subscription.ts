/** Messages that are broadcast to everybody who asked for their type. */

import { requireString, stringOr, type Body } from './bodies.js';
import { AsyncQueue, type QueueOwner } from './queue.js';

/** A message of a subscribed type. */
export interface Push<T = unknown> {
  readonly notificationId: string;
  readonly messageType: string;
  readonly payload: T;
  readonly timestampMs: number;
  readonly sourceActor: string | undefined;
  /**
   * How many pushes were lost since the one before, because somebody did not
   * read fast enough.  The server counts those of all subscriptions of the
   * client together: at most so many are missing here.
   */
  readonly dropped: number;
  /** Whether the connection was lost since the one before: nobody knows how many are missing. */
  readonly isAfterGap: boolean;
}

/**
 * Pushes of some types, from `client.subscribe` until the loop over it is left.
 *
 * Leaving the loop unsubscribes from types that no other subscription has.
 * Pushes wait for their reader, up to a limit; the first one after a loss says
 * how many are missing.
 */
export interface Subscription<T = unknown>
  extends AsyncIterableIterator<Push<T>, undefined>, AsyncDisposable {
  /** What it is subscribed to; `client.unsubscribe` takes from it. */
  readonly types: ReadonlySet<string>;
  /** Resolves when the server has confirmed; the loop does not need it. */
  readonly ready: Promise<void>;
  /**
   * Calls the function with each push, one after the other, and waits for what
   * it returns.  Resolves at the end of the subscription; if the function
   * throws, it ends the subscription and rejects.
   */
  each(callback: (push: Push<T>) => void | Promise<void>): Promise<void>;
}

/** A push as it came, and what was lost before it. */
export interface Notice {
  readonly messageType: string;
  readonly dropped: number;
  readonly body: Body;
}

/** Returns what a PUSH says; throws if that cannot be told. */
export function readNotice(body: Body): Notice {
  const messageType = requireString(body, 'message_type');
  return { messageType, dropped: numberOf(body['dropped']), body };
}

/** The subscription as its client sees it. */
export class PushQueue<T = unknown> extends AsyncQueue<Push<T>> implements Subscription<T> {
  readonly ready: Promise<void>;
  /** Whether its own question is on the way; taken up again only if not. */
  isPending = true;
  readonly #ended = new AbortController();
  readonly #types: Set<string>;
  readonly #capacity: number;
  #settle: { resolve(): void; reject(reason: unknown): void } | undefined;
  #lost = 0;
  #isAfterGap = false;

  constructor(types: Iterable<string>, capacity: number, owner: QueueOwner) {
    super(owner);
    this.#types = new Set(types);
    this.#capacity = capacity;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever only loops gets the failure from the loop.
    this.ready.catch(() => undefined);
  }

  get types(): ReadonlySet<string> {
    return this.#types;
  }

  /** Aborts at the end of the subscription, whatever it is. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** The server has said that it will push. */
  confirm(): void {
    this.#settle?.resolve();
    this.#settle = undefined;
  }

  override fail(reason: unknown): void {
    this.#settle?.reject(reason);
    super.fail(reason);
    this.#ended.abort();
  }

  override finish(): void {
    this.confirm();
    super.finish();
    this.#ended.abort();
  }

  /** Has the next push say that the connection was lost before it. */
  markGap(): void {
    this.#isAfterGap = true;
  }

  /** Takes types away; without any left the subscription ends. */
  remove(types: Iterable<string>): void {
    for (const type of types) this.#types.delete(type);
    if (this.#types.size === 0) this.finish();
  }

  /** Takes a push, if it is of our types, and what it says of losses in any case. */
  offer(notice: Notice): void {
    this.#lost += notice.dropped;
    if (!this.#types.has(notice.messageType)) return;
    if (this.size >= this.#capacity) this.#lost += 1;
    else this.put(this.#pushOf(notice));
  }

  async each(callback: (push: Push<T>) => void | Promise<void>): Promise<void> {
    for await (const push of this) await callback(push);
  }

  #pushOf({ messageType, body }: Notice): Push<T> {
    const push = {
      notificationId: stringOr(body['notification_id'], ''),
      messageType,
      payload: body['payload'] as T,
      timestampMs: numberOf(body['timestamp_ms']),
      sourceActor: stringOr(body['source_actor'], undefined),
      dropped: this.#lost,
      isAfterGap: this.#isAfterGap,
    };
    this.#lost = 0;
    this.#isAfterGap = false;
    return push;
  }
}

/** All subscriptions of a client. */
export class Subscriptions {
  readonly #all = new Set<PushQueue>();

  /** Whether somebody waits for a push. */
  get isAwaited(): boolean {
    return this.#some((each) => each.isAwaited);
  }

  add(subscription: PushQueue): void {
    this.#all.add(subscription);
  }

  delete(subscription: PushQueue): void {
    this.#all.delete(subscription);
  }

  /** Those that have to be taken up again on a new connection. */
  established(): PushQueue[] {
    return [...this.#all].filter((each) => !each.isPending);
  }

  /** Returns those of these types that no subscription has. */
  unwanted(types: Iterable<string>): string[] {
    return [...types].filter((type) => !this.#some((each) => each.types.has(type)));
  }

  /** Takes types away from every subscription, or all of them. */
  remove(types: readonly string[] | undefined): void {
    for (const each of [...this.#all]) {
      each.remove(types ?? [...each.types]);
      if (each.isEnded) this.#all.delete(each);
    }
  }

  offer(notice: Notice): void {
    for (const each of this.#all) each.offer(notice);
  }

  markGap(): void {
    for (const each of this.#all) each.markGap();
  }

  /** Ends all of them, with a reason or without. */
  end(reason: unknown): void {
    for (const each of this.#all) {
      if (reason === undefined) each.finish();
      else each.fail(reason);
    }
    this.#all.clear();
  }

  #some(test: (subscription: PushQueue) => boolean): boolean {
    for (const each of this.#all) if (test(each)) return true;
    return false;
  }
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
