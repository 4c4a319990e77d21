import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { LIMITS } from '../../base/limits.ts';
import { encodeFrame, FrameReader } from '../../query/worker-protocol.ts';

test('frames come out as they went in, however the stream is cut', () => {
  const frame = fc.record(
    { kind: fc.nat(255), payload: fc.uint8Array({ maxLength: 40 }) },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(frame), fc.array(fc.integer({ min: 1, max: 30 })), (frames, cuts) => {
      const stream = Buffer.concat(frames.map(({ kind, payload }) => encodeFrame(kind, payload)));
      const seen: { kind: number; payload: Uint8Array }[] = [];
      const reader = new FrameReader((kind, payload) => {
        seen.push({ kind, payload: new Uint8Array(payload) });
      });
      let start = 0;
      for (const cut of [...cuts, stream.length]) {
        if (start >= stream.length) break;
        assert.equal(reader.push(stream.subarray(start, start + cut)), '');
        start += cut;
      }
      assert.deepEqual(seen, frames);
    }),
  );
});

test('a frame at the limit is awaited, one byte more breaks the stream', () => {
  const header = (length: number): Buffer => {
    const bytes = Buffer.alloc(5);
    bytes.writeUInt32LE(length, 0);
    return bytes;
  };
  const reader = (): FrameReader => new FrameReader(() => assert.fail('no frame is complete'));
  assert.equal(reader().push(header(LIMITS.queryFrameBytesMax)), '');
  assert.notEqual(reader().push(header(LIMITS.queryFrameBytesMax + 1)), '');
});
