/** Frames, cut from bytes and put together, without a socket. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FrameTooLargeError, ProtocolError } from '../src/errors.js';
import {
  decodeHeader,
  encodeFrame,
  Format,
  FrameReader,
  FrameType,
  MAX_FRAME_SIZE,
} from '../src/frames.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function cut(pieces: readonly Buffer[]): string[] {
  const reader = new FrameReader();
  const frames = pieces.flatMap((piece) => [...reader.feed(piece)]);
  return frames.map(({ version, type, payload }) => `${version}/${type}/${payload.toString()}`);
}

test('a frame of version 2 has seven bytes of header, one of version 1 has six', () => {
  const payload = Buffer.from('{}');
  const { JSON, MESSAGE_PACK } = Format;
  assert.deepEqual(encodeFrame(2, FrameType.HEARTBEAT, JSON, payload), hex('00000002 020401 7b7d'));
  assert.deepEqual(
    encodeFrame(2, FrameType.CANCEL, MESSAGE_PACK, hex('80')),
    hex('00000001 020a02 80'),
  );
  assert.deepEqual(encodeFrame(1, FrameType.HEARTBEAT, JSON, payload), hex('00000002 0104 7b7d'));
});

test('the header is judged byte by byte, and the first fault counts', () => {
  const faults: Record<string, RegExp> = {
    'ffffffff 09ff': /version 0x09/,
    'ffffffff 0100': /type 0x00 in protocol version 1/,
    '00000000 0105': /type 0x05 in protocol version 1/,
    'ffffffff 020b': /type 0x0b in protocol version 2/,
    'ffffffff 020203': /format 0x03/,
    '00000000 020200': /format 0x00/,
    '01000001 020201': /16777217 bytes exceeds the limit of 16777216/,
    '01000001 0102': /16777217 bytes exceeds/,
  };
  for (const [bytes, message] of Object.entries(faults)) {
    const fault = hex(bytes);
    assert.throws(() => decodeHeader(fault), { name: 'ProtocolError', message });
    assert.equal(decodeHeader(fault.subarray(0, -1)), undefined, bytes);
  }
});

test('a payload of just the limit is read and written, one byte more is not', () => {
  const largest = Buffer.alloc(MAX_FRAME_SIZE);
  const bytes = encodeFrame(2, FrameType.RESPONSE, Format.JSON, largest);
  const [frame] = new FrameReader().feed(bytes);
  assert.equal(frame?.payload.length, MAX_FRAME_SIZE);
  const larger = Buffer.alloc(MAX_FRAME_SIZE + 1);
  assert.throws(() => encodeFrame(2, FrameType.REQUEST, Format.JSON, larger), FrameTooLargeError);
});

test('frames are found however the bytes are cut', () => {
  const bytes = Buffer.concat([
    encodeFrame(2, FrameType.RESPONSE, Format.JSON, Buffer.from('one')),
    encodeFrame(1, FrameType.ERROR, Format.JSON, Buffer.from('')),
    encodeFrame(2, FrameType.STREAM, Format.MESSAGE_PACK, Buffer.from('three')),
    encodeFrame(2, FrameType.PUSH, Format.JSON, Buffer.from('x'.repeat(40))),
  ]);
  const expected = ['2/2/one', '1/3/', '2/9/three', `2/5/${'x'.repeat(40)}`];
  for (let size = 1; size <= bytes.length; size++) {
    const count = Math.ceil(bytes.length / size);
    const pieces = Array.from({ length: count }, (_, n) =>
      bytes.subarray(n * size, (n + 1) * size),
    );
    assert.deepEqual(cut(pieces), expected, `pieces of ${size}`);
  }
});

test('frames before a fault are read', () => {
  const reader = new FrameReader();
  const frames = reader.feed(hex('00000000 020401 00000000 0302'));
  assert.equal(frames.next().value?.type, FrameType.HEARTBEAT);
  assert.throws(() => frames.next(), ProtocolError);
});
