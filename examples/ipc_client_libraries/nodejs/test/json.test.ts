/** JSON with large integers, and what is none. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readJson, writeJson } from '../src/json.js';

const read = (text: string): unknown => readJson(Buffer.from(text));

test('integers beyond 2^53 keep their digits, both ways', () => {
  const large = 123456789012345678901234567890n;
  const value = { large, negative: -(2n ** 63n), list: [9007199254740993n, 1, 2n] };
  const text =
    '{"large":123456789012345678901234567890,"negative":-9223372036854775808,' +
    '"list":[9007199254740993,1,2]}';
  assert.equal(writeJson(value), text);
  assert.deepEqual(read(text), { ...value, list: [9007199254740993n, 1, 2] });
});

test('only what is no safe integer becomes a bigint', () => {
  const text =
    '[9007199254740991,-9007199254740991,9007199254740992,1e300,1234567890123456789.5,-0]';
  assert.deepEqual(read(text), [
    2 ** 53 - 1,
    -(2 ** 53 - 1),
    2n ** 53n,
    1e300,
    1234567890123456789.5,
    -0,
  ]);
});

test('all else is read as ever, large integers beside it or not', () => {
  const values: unknown[] = [
    [],
    {},
    [[], {}, [{}]],
    [true, false, null, 'x', 0.5, -1],
    { 'a "quoted" \\ key': '\\"', 'ü\u0000': '9007199254740993', '': ['\\\\'] },
    '\u2028 😀',
  ];
  for (const value of values) {
    for (const space of [undefined, ' \t\n\r']) {
      const text = JSON.stringify([value, 7], null, space);
      const large = text.replace(/7(\s*)\]$/, '9007199254740993$1]');
      assert.deepEqual(read(text), [value, 7]);
      assert.deepEqual(read(large), [value, 9007199254740993n]);
    }
  }
});

test('a key named __proto__ is a key', () => {
  for (const number of ['1', '9007199254740993']) {
    const object = read(`{"__proto__":{"x":${number}}}`) as object;
    assert.deepEqual(Object.keys(object), ['__proto__']);
    assert.equal(Object.getPrototypeOf(object), Object.prototype);
  }
});

test('of a key that stands twice the last one counts', () => {
  assert.deepEqual(read('{"a":1,"a":2}'), { a: 2 });
  assert.deepEqual(read('{"a":1,"a":9007199254740993}'), { a: 9007199254740993n });
});

test('what is no JSON is refused', () => {
  for (const text of [
    '',
    '{',
    '[1,]',
    '{"a":1}}',
    'NaN',
    '// no',
    '\ufeff{}',
    '[09007199254740993]',
  ]) {
    assert.throws(() => read(text), SyntaxError, text);
  }
  assert.throws(() => readJson(Buffer.from([0x22, 0xff, 0x22])), SyntaxError);
  assert.throws(() => read('1'.repeat(5000)), SyntaxError);
});

test('bytes are written in base64, dates as text', () => {
  const bytes = new Uint8Array([1, 0, 255, 16, 1]).subarray(1, 4);
  const date = new Date(0);
  assert.equal(
    writeJson({ bytes, buffer: Buffer.from('ok'), date, gone: undefined }),
    '{"bytes":"AP8Q","buffer":"b2s=","date":"1970-01-01T00:00:00.000Z"}',
  );
});

test('a text that looks like our mark is a text', () => {
  assert.equal(writeJson(['integer 1', 1n]), '["integer 1",1]');
});
