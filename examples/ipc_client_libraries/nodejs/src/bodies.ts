/** What payloads of frames say: questions as bytes, and answers read. */

import type { Failure } from './errors.js';
import { Format, FrameType, type Frame } from './frames.js';
import { readJson, writeJson } from './json.js';
import { narrowIntegers, type MessagePackCodec } from './messagepack.js';

/** A body before anybody has looked into it. */
export type Body = Record<string, unknown>;

/** The answer to a question. */
export interface Answer {
  readonly kind: 'answer';
  readonly id: string;
  /** Why the question was not granted; `undefined` if it was. */
  readonly failure: Failure | undefined;
  readonly body: Body;
}

/** One reply of a stream, or its end. */
export interface Part {
  readonly kind: 'part';
  readonly id: string;
  readonly sequence: number;
  readonly isFinal: boolean;
  readonly failure: Failure | undefined;
  readonly body: Body;
  /** Bytes that it took on the wire. */
  readonly size: number;
}

/** Returns the body as bytes in this format. */
export function encodeBody(
  body: Body,
  format: Format,
  messagePack: MessagePackCodec | undefined,
): Uint8Array {
  if (format === Format.JSON) return Buffer.from(writeJson(body));
  if (messagePack === undefined) throw new TypeError('there is nothing here to write MessagePack');
  return messagePack.encode(body);
}

/** Returns the body of a frame, by the frame's own format; throws if it cannot be read. */
export function decodeBody(frame: Frame, messagePack: MessagePackCodec | undefined): Body {
  const body = frame.format === Format.JSON ? readJson(frame.payload) : unpack(frame, messagePack);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new SyntaxError('the body is no object');
  }
  return body as Body;
}

function unpack(frame: Frame, messagePack: MessagePackCodec | undefined): unknown {
  if (messagePack === undefined) throw new SyntaxError('nothing here reads MessagePack');
  // A copy: what comes of it may be views of these bytes.
  return narrowIntegers(messagePack.decode(new Uint8Array(frame.payload)));
}

/** Reads the answer in a RESPONSE or an ERROR; throws if it is none. */
export function readAnswer(body: Body): Answer {
  const id = requireString(body, 'correlation_id');
  const isGranted = body['success'];
  if (typeof isGranted !== 'boolean') throw new SyntaxError('`success` is no boolean');
  return { kind: 'answer', id, failure: isGranted ? undefined : readFailure(body), body };
}

/** Reads a frame of a stream; throws if it is none. */
export function readPart(body: Body, size: number): Part {
  const id = requireString(body, 'correlation_id');
  const sequence = body['sequence'];
  if (typeof sequence !== 'number') throw new SyntaxError('`sequence` is no number');
  const isFinal = body['is_final'] === true;
  const isFailed = isFinal && (isString(body['error_code']) || isString(body['error']));
  const failure = isFailed ? readFailure(body) : undefined;
  return { kind: 'part', id, sequence, isFinal, failure, body, size };
}

function readFailure(body: Body): Failure {
  return {
    code: stringOr(body['error_code'], 'UNKNOWN'),
    text: stringOr(body['error'], 'the server gave no reason'),
    payload: body['payload'],
    messageType: stringOr(body['message_type'], undefined),
  };
}

/** Returns a string that must be there. */
export function requireString(body: Body, key: string): string {
  const value = body[key];
  if (!isString(value)) throw new SyntaxError(`\`${key}\` is no string`);
  return value;
}

/** Returns the value if it is a string, and the other one if not. */
export function stringOr<T>(value: unknown, other: T): string | T {
  return isString(value) ? value : other;
}

/** Whether a client may get to see frames of this type. */
export function isForClients(type: FrameType): boolean {
  return FOR_CLIENTS.has(type);
}

const FOR_CLIENTS: ReadonlySet<FrameType> = new Set([
  FrameType.RESPONSE,
  FrameType.ERROR,
  FrameType.HEARTBEAT,
  FrameType.PUSH,
  FrameType.STREAM,
]);

function isString(value: unknown): value is string {
  return typeof value === 'string';
}
