/** Signs of life, on a connection that would otherwise be silent. */

import type { Clock, Timer } from './clock.js';

/** What the heart does. */
export interface Heart {
  /** Sends a heartbeat. */
  beat(): void;
  /** Whether it says anything that nothing is heard. */
  isExpectant(): boolean;
  /** Nothing has come for so long that nobody can be there. */
  onSilence(): void;
}

/** Beats after each interval without a frame written, until it is stopped. */
export class KeepAlive {
  readonly #clock: Clock;
  readonly #interval: number;
  readonly #heart: Heart;
  #timer: Timer | undefined;
  #lastWrite: number;
  // Beaten, and nothing heard since.
  #isUnanswered = false;

  constructor(clock: Clock, interval: number, heart: Heart) {
    this.#clock = clock;
    this.#interval = interval;
    this.#heart = heart;
    this.#lastWrite = clock.now();
    this.#wait(interval);
  }

  /** A frame was written. */
  onWrite(): void {
    this.#lastWrite = this.#clock.now();
  }

  /** A frame has come. */
  onRead(): void {
    this.#isUnanswered = false;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #wait(delay: number): void {
    this.#timer = this.#clock.after(delay, () => this.#onTime());
    this.#timer.hold(false);
  }

  // Writes are many, and so do not turn the clock back: they are looked for here.
  #onTime(): void {
    const left = this.#lastWrite + this.#interval - this.#clock.now();
    if (left > 0) {
      this.#wait(left);
    } else if (this.#isUnanswered && this.#heart.isExpectant()) {
      this.#heart.onSilence();
    } else {
      this.#wait(this.#interval);
      this.#isUnanswered = true;
      this.#heart.beat();
    }
  }
}
