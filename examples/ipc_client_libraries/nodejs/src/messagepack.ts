/** MessagePack, if there is something here that can read and write it. */

/** What writes and reads MessagePack; `bigint` stands for integers of 64 bits. */
export interface MessagePackCodec {
  encode(value: unknown): Uint8Array;
  /** May return a `bigint` for any integer; the bytes are the codec's to keep. */
  decode(bytes: Uint8Array): unknown;
}

const PACKAGE = '@msgpack/msgpack';

/** Loads the package `@msgpack/msgpack`, or returns `undefined` if it is not installed. */
export async function loadMessagePack(
  load: (name: string) => Promise<unknown> = (name) => import(name),
): Promise<MessagePackCodec | undefined> {
  try {
    return adapt((await load(PACKAGE)) as MessagePackPackage);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

interface MessagePackPackage {
  encode(value: unknown, options: object): Uint8Array;
  decode(bytes: Uint8Array, options: object): unknown;
}

function adapt(library: MessagePackPackage): MessagePackCodec {
  const options = { useBigInt64: true, ignoreUndefined: true };
  return {
    // Told to use `bigint` it writes all other large integers as floats.
    encode: (value) => library.encode(mapIntegers(value, widen), options),
    decode: (bytes) => library.decode(bytes, options),
  };
}

/** Returns the value with each `bigint` that a number can hold as a number. */
export function narrowIntegers(value: unknown): unknown {
  return mapIntegers(value, narrow);
}

function narrow(item: unknown): unknown {
  if (typeof item !== 'bigint') return item;
  const number = Number(item);
  return Number.isSafeInteger(number) ? number : item;
}

function widen(item: unknown): unknown {
  // The package would cut it down to 64 bits without a word.
  if (typeof item === 'bigint' && (item >= 2n ** 64n || item < -(2n ** 63n))) {
    throw new RangeError('MessagePack has integers of 64 bits and no larger ones');
  }
  const isWide = Number.isSafeInteger(item) && Math.abs(item as number) >= 2 ** 31;
  return isWide ? BigInt(item as number) : item;
}

function mapIntegers(value: unknown, map: (item: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => mapIntegers(item, map));
  if (!isPlain(value)) return map(value);
  const entries = Object.entries(value).map(([key, item]) => [key, mapIntegers(item, map)]);
  return Object.fromEntries(entries) as unknown;
}

// Bytes, dates and the like are whole values.
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
