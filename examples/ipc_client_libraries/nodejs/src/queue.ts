/** Items from somebody who does not wait, for somebody who does. */

type Waiter<T> = {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(reason: unknown): void;
};

/** Hooks into the life of a queue. */
export interface QueueOwner {
  /** The queue has ended, for whatever reason; called once. */
  onEnd(): void;
  /** The reader has begun or ceased to wait. */
  onWaiting?(): void;
}

/** An async iterator that others put items into, until they end it. */
export class AsyncQueue<T> implements AsyncIterableIterator<T, undefined>, AsyncDisposable {
  readonly #owner: QueueOwner;
  #items: T[] = [];
  #waiters: Waiter<T>[] = [];
  #isEnded = false;
  #failure: { reason: unknown } | undefined;

  constructor(owner: QueueOwner) {
    this.#owner = owner;
  }

  /** Number of items that nobody has taken yet. */
  get size(): number {
    return this.#items.length;
  }

  /** Whether somebody waits for an item. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /** Gives an item to the reader; none are taken after the end. */
  put(item: T): void {
    if (this.#isEnded) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#items.push(item);
    else waiter.resolve({ value: item, done: false });
    this.#owner.onWaiting?.();
  }

  /** Ends the queue: items in it are still read, then the reader is done. */
  finish(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve({ value: undefined, done: true });
    this.#owner.onEnd();
  }

  /** Ends the queue: items in it are still read, then the reader gets the reason, once. */
  fail(reason: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const [first, ...others] = this.#waiters.splice(0);
    if (first === undefined) this.#failure = { reason };
    else first.reject(reason);
    for (const waiter of others) waiter.resolve({ value: undefined, done: true });
    this.#owner.onEnd();
  }

  /** Returns the next item as soon as there is one. */
  async next(): Promise<IteratorResult<T, undefined>> {
    if (this.#items.length > 0) return { value: this.#items.shift()!, done: false };
    if (this.#failure !== undefined) {
      const { reason } = this.#failure;
      this.#failure = undefined;
      throw reason;
    }
    if (this.#isEnded) return { value: undefined, done: true };
    const result = new Promise<IteratorResult<T, undefined>>((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
    this.#owner.onWaiting?.();
    return result;
  }

  /** Called by `break` in a `for await`: drops what is left. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#items = [];
    this.#failure = undefined;
    this.finish();
    return { value: undefined, done: true };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
