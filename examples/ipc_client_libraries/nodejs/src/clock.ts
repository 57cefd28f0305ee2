/** Time, as something that can be handed in: tests turn the hands themselves. */

/** Something that will happen, until it is cancelled. */
export interface Timer {
  cancel(): void;
  /** Says whether the process should stay alive for it; it does at first. */
  hold(isNeeded: boolean): void;
}

/** A clock that goes forward, in milliseconds. */
export interface Clock {
  now(): number;
  /** Runs the function once, after so many milliseconds; `Infinity` is never. */
  after(delay: number, run: () => void): Timer;
}

// A longer delay makes Node's timers fire at once.
const LONGEST_DELAY = 2 ** 31 - 1;

const NEVER: Timer = { cancel: () => undefined, hold: () => undefined };

/** The clock of this computer; delays of more than 24 days count as never. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(delay, run) {
    if (delay > LONGEST_DELAY) return NEVER;
    const timeout = setTimeout(run, delay);
    return {
      cancel: () => clearTimeout(timeout),
      hold: (isNeeded) => void (isNeeded ? timeout.ref() : timeout.unref()),
    };
  },
};
