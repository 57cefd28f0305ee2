/**
 * How messages lie on the wire: seven bytes of header, then JSON.
 *
 * The header is the length of the body (32 bits, big-endian), the version, the
 * kind of frame and the format of the body.  Nothing here does I/O.
 */

import { FrameTooLargeError, ProtocolError } from './errors.js';

/** Largest body the protocol allows in either direction, in bytes. */
export const MAX_FRAME_SIZE = 16 * 1024 * 1024;

const HEADER_SIZE = 7;
const VERSION = 2;
const JSON_FORMAT = 1;

export const Kind = {
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
export type Kind = (typeof Kind)[keyof typeof Kind];

const kinds: ReadonlySet<number> = new Set(Object.values(Kind));

export type Body = Record<string, unknown>;

export interface Frame {
  readonly kind: Kind;
  readonly body: Body;
}

/** Returns the bytes of a frame, or throws if it would be too large. */
export function encodeFrame(kind: Kind, body: Body): Buffer {
  const text = JSON.stringify(body);
  const size = Buffer.byteLength(text);
  if (size > MAX_FRAME_SIZE) {
    throw new FrameTooLargeError(`message of ${size} bytes exceeds ${MAX_FRAME_SIZE}`);
  }
  const frame = Buffer.allocUnsafe(HEADER_SIZE + size);
  frame.writeUInt32BE(size, 0);
  frame[4] = VERSION;
  frame[5] = kind;
  frame[6] = JSON_FORMAT;
  frame.write(text, HEADER_SIZE);
  return frame;
}

/** The bytes that have come, cut into frames. */
export class FrameDecoder {
  // Pieces are joined when a frame is complete and not before, so that a large
  // frame in a thousand pieces is copied once.
  #pieces: Buffer[] = [];
  #length = 0;
  #needed = HEADER_SIZE;

  /** Adds bytes and yields the frames that are complete with them. */
  *feed(piece: Buffer): Generator<Frame, void, undefined> {
    this.#pieces.push(piece);
    this.#length += piece.length;
    while (this.#length >= this.#needed) {
      const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
      this.#pieces = [bytes];
      // Checked on the header alone, so that an absurd announcement costs
      // seven bytes and not a buffer of that size.
      const { kind, size } = decodeHeader(bytes);
      this.#needed = HEADER_SIZE + size;
      if (this.#length < this.#needed) return;
      const body = bytes.subarray(HEADER_SIZE, this.#needed);
      this.#length -= this.#needed;
      this.#pieces = this.#length > 0 ? [bytes.subarray(this.#needed)] : [];
      this.#needed = HEADER_SIZE;
      // A heartbeat says nothing, in any number of bytes.
      yield { kind, body: kind === Kind.HEARTBEAT ? {} : decodeBody(body) };
    }
  }
}

function decodeHeader(bytes: Buffer): { kind: Kind; size: number } {
  const size = bytes.readUInt32BE(0);
  const version = bytes.readUInt8(4);
  const kind = bytes.readUInt8(5);
  const format = bytes.readUInt8(6);
  if (version !== VERSION) throw new ProtocolError(`unsupported protocol version ${version}`);
  if (!isKind(kind)) throw new ProtocolError(`unknown frame type ${kind}`);
  if (format !== JSON_FORMAT) throw new ProtocolError(`unsupported format ${format}`);
  if (size > MAX_FRAME_SIZE) {
    throw new ProtocolError(`frame of ${size} bytes exceeds the limit of ${MAX_FRAME_SIZE}`);
  }
  return { kind, size };
}

function isKind(code: number): code is Kind {
  return kinds.has(code);
}

function decodeBody(bytes: Buffer): Body {
  let body: unknown;
  try {
    body = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new ProtocolError('the body of a frame is not JSON', { cause });
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ProtocolError('the body of a frame is not an object');
  }
  return body as Body;
}
