import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseFrame } from '../../ingest/stream-protocol.ts';
import { parseRequest } from '../../ingest/stream-requests.ts';

const ids = fc.integer({ min: 0, max: 0xffff_ffff });

test('a text frame is taken apart into its id and its payload, whatever that holds', () => {
  fc.assert(
    fc.property(ids, fc.uint8Array(), (id, payload) => {
      const frame = parseFrame(Buffer.concat([Buffer.from(`${id}\n`), payload]), false);
      assert.ok(frame.kind === 'batch');
      assert.equal(frame.id, id);
      assert.equal(frame.codec, 'json');
      assert.deepEqual(Buffer.from(frame.payload), Buffer.from(payload));
    }),
  );
});

test('a binary frame is taken apart wherever it lies in its buffer', () => {
  const codecs = fc.constantFrom(
    [1, 'json', false] as const,
    [2, 'msgpack', false] as const,
    [0x81, 'json', true] as const,
    [0x82, 'msgpack', true] as const,
  );
  fc.assert(
    fc.property(
      ids,
      codecs,
      fc.uint8Array(),
      fc.nat(9),
      (id, [byte, codec, isGzip], payload, offset) => {
        const bytes = Buffer.alloc(offset + 5 + payload.length);
        bytes[offset] = byte;
        bytes.writeUInt32LE(id, offset + 1);
        bytes.set(payload, offset + 5);
        const frame = parseFrame(new Uint8Array(bytes).subarray(offset), true);
        assert.ok(frame.kind === 'batch');
        assert.deepEqual([frame.id, frame.codec, frame.isGzip], [id, codec, isGzip]);
        assert.deepEqual(Buffer.from(frame.payload), Buffer.from(payload));
      },
    ),
  );
});

test('no bytes make the parser throw', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.boolean(), (bytes, isBinary) => {
      assert.ok(['batch', 'hello', 'malformed'].includes(parseFrame(bytes, isBinary).kind));
    }),
  );
});

test('no JSON makes the parser of requests throw', () => {
  const names = fc.constantFrom(
    'hello',
    'subscribe',
    'unsubscribe',
    'resolve',
    'id',
    'filters',
    'x',
  );
  const requests = fc.dictionary(names, fc.oneof(fc.constant('tail'), fc.nat(), fc.jsonValue()));
  const kinds = ['hello', 'subscribe', 'unsubscribe', 'resolve', 'malformed'];
  fc.assert(
    fc.property(fc.oneof(requests, fc.jsonValue()), (request) => {
      const { kind } = parseRequest(Buffer.from(JSON.stringify(request)));
      assert.ok(kinds.includes(kind), kind);
    }),
  );
});
