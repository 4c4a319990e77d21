import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packr, unpack } from 'msgpackr';
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { msgpackEnds } from '../../engine/row-ends.ts';
import { IMPORT_BATCH_BYTES, type ImportBatch } from '../../ingest/import-batcher.ts';
import { MsgpackBatcher } from '../../ingest/import-msgpack.ts';
import { endOfValue, MALFORMED } from '../support/reference-import-rows.ts';

const packr = new Packr({ useRecords: false });

interface Taken {
  readonly rows: readonly Record<string, unknown>[];
  readonly batches: number;
  readonly importBytes: number;
}

/** Sends a body in pieces of `pieceBytes` and reads the batches. */
function read(body: Uint8Array, pieceBytes = body.length || 1, firstRow = 0): Taken {
  const batcher = new MsgpackBatcher('x', firstRow);
  const rows: Record<string, unknown>[] = [];
  let batches = 0;
  let importBytes = 0;
  const take = (isComplete: boolean): void => {
    const next = (): ImportBatch | undefined => batcher.take(isComplete);
    for (let taken = next(); taken !== undefined; taken = next()) {
      const { batch } = unpack(taken.bytes) as { batch: Record<string, unknown>[] };
      assert.equal(batch.length, taken.rows);
      assert.ok(taken.rows <= LIMITS.batchEventsMax);
      rows.push(...batch);
      batches += 1;
      importBytes += taken.importBytes;
    }
  };
  for (let at = 0; at < body.length; at += pieceBytes) {
    batcher.push(body.subarray(at, at + pieceBytes));
    take(false);
  }
  take(true);
  return { rows, batches, importBytes };
}

function codeOf(body: Uint8Array): string {
  try {
    read(body);
    return 'none';
  } catch (error) {
    assert.ok(error instanceof TributaryError, String(error));
    return error.code;
  }
}

test('every row gets the id of its place before its own members, however it is cut', () => {
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.string({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.double(),
    fc.integer(),
    fc.date({ noInvalidDate: true }),
  );
  const row = fc.dictionary(fc.string({ maxLength: 10 }), value, { maxKeys: 40 });
  fc.assert(
    fc.property(fc.array(row), fc.integer({ min: 1, max: 1000 }), fc.nat(), (rows, size, first) => {
      const plain = rows.filter(
        (event) => !('__proto__' in event && Object.hasOwn(event, '__proto__')),
      );
      const packed = plain.map((event) => packr.pack(event));
      const body = Buffer.concat(packed);
      const taken = read(body, size, first);
      const expected = packed.map((bytes, index) => ({
        messageId: `import-x-${first + index}`,
        ...(unpack(bytes) as object),
      }));
      assert.deepEqual(taken.rows, expected);
      assert.equal(taken.importBytes, body.length);
    }),
  );
});

test('a batch has at most so many rows and bytes', () => {
  const small = packr.pack({ a: 1 });
  const many = Buffer.concat(Array.from({ length: LIMITS.batchEventsMax + 1 }, () => small));
  assert.equal(read(many).batches, 2);
  const large = packr.pack({ a: 'x'.repeat(IMPORT_BATCH_BYTES / 2 - 100) });
  assert.equal(read(Buffer.concat([large, large, large]), 100_000).batches, 2);
  const overhead = packr.pack({ a: 'x'.repeat(100_000) }).length - 100_000;
  const limit = packr.pack({ a: 'x'.repeat(IMPORT_BATCH_BYTES - overhead) });
  assert.equal(limit.length, IMPORT_BATCH_BYTES);
  assert.equal(read(limit, 65_536).rows.length, 1);
  const beyond = packr.pack({ a: 'x'.repeat(IMPORT_BATCH_BYTES - overhead + 1) });
  assert.equal(codeOf(beyond), 'TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE');
});

test('what is no map, is cut off, or is a record is refused', () => {
  assert.equal(read(Buffer.alloc(0)).rows.length, 0);
  const map = packr.pack({ a: [1, 2, 3] });
  for (const body of [
    packr.pack(7),
    packr.pack([map]),
    map.subarray(0, map.length - 1),
    Buffer.concat([map, Buffer.from([0xc1])]),
    Buffer.from([0x81, 0xa1, 0x61, 0xc1]),
    Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
    new Packr({ useRecords: true }).pack({ a: 1 }),
    packr.pack({ a: 1 }).subarray(0, 1),
  ]) {
    assert.equal(codeOf(body), 'TRIBUTARY_INGEST_IMPORT_MSGPACK_MALFORMED', body.toString('hex'));
  }
});

test('the ends of rows are those that a slow reader finds, whatever the bytes', () => {
  const values = fc.array(fc.oneof(fc.jsonValue(), fc.uint8Array(), fc.date(), fc.double()));
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
  const packed = fc.tuple(values, damage).map(([all, damaged]) => {
    const bytes = Buffer.concat(all.map((value) => packr.pack(value)));
    for (const [at, byte] of damaged) if (bytes.length > 0) bytes[at % bytes.length] = byte;
    return bytes;
  });
  const bytes = fc.oneof(packed, fc.uint8Array().map(Buffer.from));
  fc.assert(
    fc.property(bytes, fc.nat(500), (body, bytesMax) => {
      const expected: number[] = [];
      let end = 0;
      while (end < body.length && expected.length < 5) {
        end = endOfValue(body, end);
        if (end < 0 || end > bytesMax) break;
        expected.push(end);
      }
      const ends = new Uint32Array(5);
      const found = msgpackEnds(body, ends, bytesMax);
      assert.deepEqual(found, { count: expected.length, isMalformed: end === MALFORMED });
      assert.deepEqual([...ends.subarray(0, expected.length)], expected);
    }),
    { numRuns: 2000 },
  );
});

test('a value that is no map is refused before its end has come', () => {
  const text = packr.pack('x'.repeat(2 * IMPORT_BATCH_BYTES));
  assert.equal(codeOf(text), 'TRIBUTARY_INGEST_IMPORT_MSGPACK_MALFORMED');
});
