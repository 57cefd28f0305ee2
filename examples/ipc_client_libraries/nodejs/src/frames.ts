/**
 * How messages lie on the wire: a header, then a payload.
 *
 * The header is the length of the payload (32 bits, big-endian), the version,
 * the type of the frame and, in version 2, the format of the payload.  Nothing
 * here does I/O, and nothing here looks into a payload.
 */

import { FrameTooLargeError, ProtocolError } from './errors.js';

/** Largest payload the protocol allows in either direction, in bytes. */
export const MAX_FRAME_SIZE = 16 * 1024 * 1024;

/** The versions of the protocol; a frame has one, a connection has not. */
export type Version = 1 | 2;

/** What a frame is about. */
export const FrameType = {
  REQUEST: 1,
  RESPONSE: 2,
  ERROR: 3,
  HEARTBEAT: 4,
  PUSH: 5,
  SUBSCRIBE: 6,
  UNSUBSCRIBE: 7,
  DISCOVER: 8,
  STREAM: 9,
  CANCEL: 10,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** How a payload is written. */
export const Format = { JSON: 1, MESSAGE_PACK: 2 } as const;
export type Format = (typeof Format)[keyof typeof Format];

/** The last type that a version has; they are numbered without gaps. */
const LAST_TYPE: Readonly<Record<Version, FrameType>> = { 1: 4, 2: 10 };

export interface Header {
  readonly version: Version;
  readonly type: FrameType;
  readonly format: Format;
  /** Bytes of the payload. */
  readonly size: number;
}

/** A header and its payload, which lies in a buffer that may be used again. */
export interface Frame extends Header {
  readonly payload: Buffer;
}

/** Returns the bytes of a frame, or throws if it would be too large. */
export function encodeFrame(
  version: Version,
  type: FrameType,
  format: Format,
  payload: Uint8Array,
): Buffer {
  const size = payload.length;
  if (size > MAX_FRAME_SIZE) throw new FrameTooLargeError(size, MAX_FRAME_SIZE);
  const headerSize = sizeOfHeader(version);
  const frame = Buffer.allocUnsafe(headerSize + size);
  frame.writeUInt32BE(size, 0);
  frame[4] = version;
  frame[5] = type;
  if (version === 2) frame[6] = format;
  frame.set(payload, headerSize);
  return frame;
}

/**
 * Returns the header at the beginning of these bytes, or `undefined` as long
 * as they are too few; throws at the first byte that makes it no header.
 */
export function decodeHeader(bytes: Buffer): Header | undefined {
  if (bytes.length < 6) return undefined;
  const size = bytes.readUInt32BE(0);
  const version = versionOf(bytes.readUInt8(4));
  const type = typeOf(bytes.readUInt8(5), version);
  if (bytes.length < sizeOfHeader(version)) return undefined;
  const format = version === 1 ? Format.JSON : formatOf(bytes.readUInt8(6));
  if (size > MAX_FRAME_SIZE) {
    throw new ProtocolError(`frame of ${size} bytes exceeds the limit of ${MAX_FRAME_SIZE}`);
  }
  return { version, type, format, size };
}

const NO_BYTES = Buffer.alloc(0);

/** The bytes that have come, cut into frames. */
export class FrameReader {
  // Bytes that are no whole frame yet lie in one buffer, which grows with what
  // has come and never with what was announced.
  #buffer: Buffer = NO_BYTES;
  #start = 0;
  #end = 0;
  #isOwn = false;

  /** Adds bytes and yields the frames that are complete with them. */
  *feed(bytes: Buffer): Generator<Frame, void, undefined> {
    this.#append(bytes);
    for (let frame = this.#take(); frame !== undefined; frame = this.#take()) yield frame;
    if (this.#start === this.#end) this.#use(NO_BYTES, 0, false);
  }

  #take(): Frame | undefined {
    const bytes = this.#buffer.subarray(this.#start, this.#end);
    const header = decodeHeader(bytes);
    if (header === undefined) return undefined;
    const headerSize = sizeOfHeader(header.version);
    const end = headerSize + header.size;
    if (bytes.length < end) return undefined;
    this.#start += end;
    return { ...header, payload: bytes.subarray(headerSize, end) };
  }

  #append(bytes: Buffer): void {
    const left = this.#end - this.#start;
    if (left === 0) {
      this.#use(bytes, bytes.length, false);
      return;
    }
    const length = left + bytes.length;
    if (!this.#isOwn || this.#end + bytes.length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * left, length));
      this.#buffer.copy(larger, 0, this.#start, this.#end);
      this.#use(larger, left, true);
    }
    bytes.copy(this.#buffer, this.#end);
    this.#end += bytes.length;
  }

  #use(buffer: Buffer, end: number, isOwn: boolean): void {
    this.#buffer = buffer;
    this.#start = 0;
    this.#end = end;
    this.#isOwn = isOwn;
  }
}

function sizeOfHeader(version: Version): number {
  return version === 1 ? 6 : 7;
}

function versionOf(code: number): Version {
  if (code === 1 || code === 2) return code;
  throw new ProtocolError(`unsupported protocol version ${hex(code)}`);
}

function typeOf(code: number, version: Version): FrameType {
  if (code >= 1 && code <= LAST_TYPE[version]) return code as FrameType;
  throw new ProtocolError(`unknown frame type ${hex(code)} in protocol version ${version}`);
}

function formatOf(code: number): Format {
  if (code === Format.JSON || code === Format.MESSAGE_PACK) return code;
  throw new ProtocolError(`unknown format ${hex(code)}`);
}

function hex(code: number): string {
  return `0x${code.toString(16).padStart(2, '0')}`;
}
