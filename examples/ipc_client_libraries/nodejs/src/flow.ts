/** Whether a connection is read, so that a slow reader does not fill our memory. */

import type { Clock, Timer } from './clock.js';

/** What is read or not. */
export interface Valve {
  pause(): void;
  resume(): void;
}

/** What the decision depends on. */
export interface Demand {
  /** Somebody has more than he can read. */
  isBehind(): boolean;
  /** Somebody waits for what may be next on the connection. */
  isNeeded(): boolean;
}

// A server cuts a connection of which it cannot write 32 KiB in 30 seconds; so
// we read a piece of 64 KiB every now and then, whoever is behind.
const SIP_INTERVAL = 10_000;

/** Pauses a connection while somebody is behind and nobody waits. */
export class Flow {
  readonly #clock: Clock;
  readonly #valve: Valve;
  readonly #demand: Demand;
  #sip: Timer | undefined;

  constructor(clock: Clock, valve: Valve, demand: Demand) {
    this.#clock = clock;
    this.#valve = valve;
    this.#demand = demand;
  }

  /** Whether the connection is not read at the moment. */
  get isPaused(): boolean {
    return this.#sip !== undefined;
  }

  /** Decides anew; to be called whenever something was read, taken or asked. */
  update(): void {
    if (!this.#demand.isBehind() || this.#demand.isNeeded()) this.#open();
    else if (!this.isPaused) this.#close();
  }

  /** Decides nothing any more. */
  stop(): void {
    this.#sip?.cancel();
    this.#sip = undefined;
  }

  #close(): void {
    this.#valve.pause();
    this.#sip = this.#clock.after(SIP_INTERVAL, () => this.#open());
    this.#sip.hold(false);
  }

  // The next piece that comes has the decision made anew.
  #open(): void {
    if (!this.isPaused) return;
    this.stop();
    this.#valve.resume();
  }
}
