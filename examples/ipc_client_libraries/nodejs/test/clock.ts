/** A clock whose hands a test turns. */

import type { Clock, Timer } from 'acton-ipc';

interface Alarm {
  readonly due: number;
  readonly run: () => void;
}

export class FakeClock implements Clock {
  #now = 0;
  readonly #alarms = new Set<Alarm>();

  /** How many alarms are set. */
  get alarms(): number {
    return this.#alarms.size;
  }

  now(): number {
    return this.#now;
  }

  after(delay: number, run: () => void): Timer {
    const alarm = { due: this.#now + delay, run };
    if (delay < Infinity) this.#alarms.add(alarm);
    return { cancel: () => void this.#alarms.delete(alarm), hold: () => undefined };
  }

  /** Lets so many milliseconds pass, and everything happen that is due. */
  pass(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (let alarm = this.#next(end); alarm !== undefined; alarm = this.#next(end)) {
      this.#alarms.delete(alarm);
      this.#now = alarm.due;
      alarm.run();
    }
    this.#now = end;
  }

  #next(end: number): Alarm | undefined {
    const due = [...this.#alarms].filter((alarm) => alarm.due <= end);
    return due.sort((one, other) => one.due - other.due)[0];
  }
}
