/**
 * JSON that keeps what JavaScript's own loses: integers of any size.
 *
 * An integer beyond 2^53 is read as a `bigint`, and a `bigint` is written as an
 * integer.  Bytes are written in base64, as servers expect them.
 */

import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';

// Never leaves this process, so that no text can contain it by design.
const MARK = `integer ${randomUUID()} `;
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g');

/** Returns the value as JSON; throws a `TypeError` if it goes round in circles. */
export function writeJson(value: unknown): string {
  let hasMarks = false;
  // A function, not an arrow: what `toJSON` has made of a value is in `item`,
  // the value itself is only to be had from its holder.
  function replace(this: Record<string, unknown>, key: string, item: unknown): unknown {
    const original = this[key];
    if (typeof original === 'bigint') {
      hasMarks = true;
      return `${MARK}${original}`;
    }
    return original instanceof Uint8Array ? base64(original) : item;
  }
  const text = JSON.stringify(value, replace);
  return hasMarks ? text.replace(MARKED, '$1') : text;
}

/** Returns what the bytes say; throws a `SyntaxError` if they are no JSON in UTF-8. */
export function readJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new SyntaxError('no UTF-8');
  const text = bytes.toString('utf8');
  const value: unknown = JSON.parse(text);
  return MAY_BE_LARGE.test(text) ? new LargeNumberReader(text).read() : value;
}

// The least unsafe integer has as many digits.
const MAY_BE_LARGE = /\d{16}/;
// Larger ones take their time, and Python reads none of them either.
const MAX_DIGITS = 4300;
const NUMBER = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;

/** Reads a text that is known to be JSON once more, for its large integers. */
class LargeNumberReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): unknown {
    this.#skipSpace();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.#each('}', () => {
      const key = this.#string();
      this.#skipSpace();
      this.#at += 1;
      const value = this.read();
      // Not by assignment, which has its own idea of `__proto__`.
      const how = { value, writable: true, enumerable: true, configurable: true };
      Object.defineProperty(object, key, how);
    });
    return object;
  }

  #array(): unknown[] {
    const array: unknown[] = [];
    this.#each(']', () => array.push(this.read()));
    return array;
  }

  #each(end: string, readItem: () => void): void {
    do {
      this.#at += 1;
      this.#skipSpace();
      if (this.#text[this.#at] !== end) readItem();
      this.#skipSpace();
    } while (this.#text[this.#at] === ',');
    this.#at += 1;
  }

  #string(): string {
    const start = this.#at;
    let end = start;
    do end = this.#text.indexOf('"', end + 1);
    while (this.#isEscaped(end));
    this.#at = end + 1;
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #isEscaped(at: number): boolean {
    let before = at;
    while (this.#text[before - 1] === '\\') before -= 1;
    return (at - before) % 2 === 1;
  }

  #word<T>(word: string, value: T): T {
    this.#at += word.length;
    return value;
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#at;
    const [text, point, exponent] = NUMBER.exec(this.#text)!;
    this.#at += text.length;
    const number = Number(text);
    const isExact = point !== undefined || exponent !== undefined || Number.isSafeInteger(number);
    if (isExact) return number;
    if (text.length > MAX_DIGITS) throw new SyntaxError('an integer of too many digits');
    return BigInt(text);
  }

  #skipSpace(): void {
    SPACE.lastIndex = this.#at;
    SPACE.test(this.#text);
    this.#at = SPACE.lastIndex;
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
