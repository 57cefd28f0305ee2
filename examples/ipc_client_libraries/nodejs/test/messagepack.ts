/** As much MessagePack as the tests need, written by hand from its description. */

import type { MessagePackCodec } from 'acton-ipc';

export const messagePack: MessagePackCodec = {
  encode: (value) => encode(value),
  decode: (bytes) => new Reader(Buffer.from(bytes)).read(),
};

function encode(value: unknown): Buffer {
  if (value === null || value === undefined) return Buffer.from([0xc0]);
  if (typeof value === 'boolean') return Buffer.from([value ? 0xc3 : 0xc2]);
  if (typeof value === 'bigint') return encodeInteger(value);
  if (typeof value === 'number') return encodeNumber(value);
  if (typeof value === 'string') return encodeString(value);
  if (value instanceof Uint8Array) return Buffer.concat([head(0xc6, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(0xdd, value.length), ...value.map(encode)]);
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  const parts = entries.flatMap(([key, item]) => [encode(key), encode(item)]);
  return Buffer.concat([head(0xdf, entries.length), ...parts]);
}

function encodeNumber(value: number): Buffer {
  if (Number.isInteger(value)) return encodeInteger(BigInt(value));
  const bytes = Buffer.alloc(9);
  bytes[0] = 0xcb;
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

function encodeInteger(value: bigint): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = value < 0n ? 0xd3 : 0xcf;
  if (value < 0n) bytes.writeBigInt64BE(value, 1);
  else bytes.writeBigUInt64BE(value, 1);
  return bytes;
}

function encodeString(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([head(0xdb, bytes.length), bytes]);
}

function head(code: number, length: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = code;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  read(): unknown {
    const code = this.#unsigned(1);
    if (code < 0x80) return code;
    if (code < 0x90) return this.#map(code & 0x0f);
    if (code < 0xa0) return this.#array(code & 0x0f);
    if (code < 0xc0) return this.#string(code & 0x1f);
    if (code >= 0xe0) return code - 0x100;
    return this.#long(code);
  }

  #long(code: number): unknown {
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#unsigned(2 ** (code - 0xc4)));
      case 0xcb:
        return this.#take(8).readDoubleBE();
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(2 ** (code - 0xcc));
      case 0xcf:
        return this.#take(8).readBigUInt64BE();
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return this.#take(2 ** (code - 0xd0)).readIntBE(0, 2 ** (code - 0xd0));
      case 0xd3:
        return this.#take(8).readBigInt64BE();
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#string(this.#unsigned(2 ** (code - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 ** (code - 0xdb)));
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 ** (code - 0xdd)));
      default:
        throw new Error(`no MessagePack: ${code}`);
    }
  }

  #map(length: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (let index = 0; index < length; index++) map[this.read() as string] = this.read();
    return map;
  }

  #array(length: number): unknown[] {
    return Array.from({ length }, () => this.read());
  }

  #string(length: number): string {
    return this.#take(length).toString('utf8');
  }

  #unsigned(size: number): number {
    return this.#take(size).readUIntBE(0, size);
  }

  #take(size: number): Buffer {
    if (this.#at + size > this.#bytes.length) throw new Error('too short');
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }
}
