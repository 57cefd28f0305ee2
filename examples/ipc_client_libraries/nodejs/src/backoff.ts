/** How long to wait before the next attempt to connect. */

/** Whether and how a lost connection is made anew. */
export interface ReconnectOptions {
  /** Milliseconds before the first attempt; 100 by default. */
  readonly initialDelay?: number;
  /** What each wait is longer than the one before; 2 by default. */
  readonly multiplier?: number;
  /** Milliseconds that no wait exceeds; 30 000 by default. */
  readonly maxDelay?: number;
  /** By which part waits are shortened at random, so that not all come at once; 0.2 by default. */
  readonly jitter?: number;
  /** Attempts in vain after which the client ends; `Infinity` by default. */
  readonly maxAttempts?: number;
}

/** A row of waits, each longer than the one before. */
export class Backoff {
  readonly #options: Required<ReconnectOptions>;
  #attempts = 0;

  constructor(options: ReconnectOptions) {
    const defaults = { initialDelay: 100, multiplier: 2, maxDelay: 30_000, jitter: 0.2 };
    this.#options = { ...defaults, maxAttempts: Infinity, ...options };
  }

  /** Returns the next wait in milliseconds, or `undefined` if there were enough. */
  next(random: number = Math.random()): number | undefined {
    const { initialDelay, multiplier, maxDelay, jitter, maxAttempts } = this.#options;
    if (this.#attempts >= maxAttempts) return undefined;
    const delay = Math.min(initialDelay * multiplier ** this.#attempts, maxDelay);
    this.#attempts += 1;
    return delay * (1 - jitter * random);
  }

  /** Begins again with the shortest: the server is there. */
  reset(): void {
    this.#attempts = 0;
  }
}
