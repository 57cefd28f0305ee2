/** One exchange with the server, and how long to wait for it. */

import { TimeoutError } from './errors.js';
import type { Frame } from './frames.js';

export interface CallOptions {
  /** Milliseconds to wait; `Infinity` for ever. */
  readonly timeout?: number;
  /** Gives the call up when it aborts; the reason is the signal's. */
  readonly signal?: AbortSignal;
}

export interface CallHandler {
  /** A frame has come for this call; it may not be the last. */
  onAnswer(frame: Frame): void;
  /** The call has ended without its answer; called at most once. */
  onFailure(reason: unknown): void;
  /** The call has ended, for whatever reason; called once, and first. */
  onEnd(): void;
}

// A longer delay makes Node's timers fire at once.
const LONGEST_DELAY = 2 ** 31 - 1;

/** An exchange, from its making until it is answered, given up or ended. */
export class Call {
  readonly #handler: CallHandler;
  readonly #signal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #abort = () => this.fail(this.#signal?.reason);
  #isEnded = false;

  constructor(timeout: number, signal: AbortSignal | undefined, handler: CallHandler) {
    this.#handler = handler;
    this.#signal = signal;
    if (timeout <= LONGEST_DELAY) {
      this.#timer = setTimeout(() => this.fail(new TimeoutError('no answer in time')), timeout);
    }
    signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** Whether nobody waits for the answer any more. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Hands a frame to whoever waits, if somebody still does. */
  answer(frame: Frame): void {
    if (!this.#isEnded) this.#handler.onAnswer(frame);
  }

  /** Ends the call with a reason, unless it has ended. */
  fail(reason: unknown): void {
    if (this.#isEnded) return;
    this.end();
    this.#handler.onFailure(reason);
  }

  /** Ends the call: what still comes for it is dropped. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#handler.onEnd();
  }
}
