/** Items from somebody who does not wait, for somebody who does. */

type Waiter<T> = {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(reason: unknown): void;
};

type Entry<T> = { readonly item: T; readonly size: number };

/** Hooks into the life of a queue. */
export interface QueueOwner {
  /** The reader has left before the end, of its own will; called at most once. */
  onLeave(): void;
  /** The reader has taken an item, or has begun or ceased to wait. */
  onReading(): void;
}

/** An async iterator that others put items into, until they end it. */
export class AsyncQueue<T> implements AsyncIterableIterator<T, undefined>, AsyncDisposable {
  readonly #owner: QueueOwner;
  // Taken from the head, which is moved to the front now and then.
  #entries: (Entry<T> | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #waiters: Waiter<T>[] = [];
  #isEnded = false;
  #failure: { reason: unknown } | undefined;

  constructor(owner: QueueOwner) {
    this.#owner = owner;
  }

  /** Number of items that nobody has taken yet. */
  get size(): number {
    return this.#entries.length - this.#head;
  }

  /** Bytes that these items were on the wire. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether somebody waits for an item. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /** Whether nothing is added any more. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Gives an item to the reader; none are taken after the end. */
  put(item: T, size = 0): void {
    if (this.#isEnded) return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ value: item, done: false });
      this.#owner.onReading();
      return;
    }
    this.#entries.push({ item, size });
    this.#bytes += size;
  }

  /** Ends the queue: items in it are still read, then the reader is done. */
  finish(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#dismiss();
  }

  /** Ends the queue: items in it are still read, then the reader gets the reason, once. */
  fail(reason: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const first = this.#waiters.shift();
    if (first === undefined) this.#failure = { reason };
    else first.reject(reason);
    this.#dismiss();
  }

  /** Returns the next item as soon as there is one. */
  async next(): Promise<IteratorResult<T, undefined>> {
    if (this.size > 0) return { value: this.#take(), done: false };
    if (this.#failure !== undefined) {
      const { reason } = this.#failure;
      this.#failure = undefined;
      throw reason;
    }
    if (this.#isEnded) return { value: undefined, done: true };
    const result = new Promise<IteratorResult<T, undefined>>((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
    this.#owner.onReading();
    return result;
  }

  /** Called by `break` in a `for await`: drops what is left. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#failure = undefined;
    if (!this.#isEnded) {
      this.finish();
      this.#owner.onLeave();
    }
    return { value: undefined, done: true };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): T {
    const entry = this.#entries[this.#head]!;
    this.#entries[this.#head] = undefined;
    this.#head += 1;
    this.#bytes -= entry.size;
    if (this.#head >= 1024 || this.size === 0) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
    this.#owner.onReading();
    return entry.item;
  }

  #dismiss(): void {
    for (const waiter of this.#waiters.splice(0)) waiter.resolve({ value: undefined, done: true });
    this.#owner.onReading();
  }
}
