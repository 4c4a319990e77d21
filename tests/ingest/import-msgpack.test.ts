import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packr, unpack } from 'msgpackr';
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { ExpandedRows, msgpackEnds } from '../../engine/row-ends.ts';
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
  const many = Buffer.concat(Array.from({ length: LIMITS.importBatchRowsMax + 1 }, () => small));
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

/** As a stream of msgpackr's writes them: what was defined once is known to the end. */
function packSequence(rows: readonly object[], options = {}): Buffer {
  const sequence = new Packr({ sequential: true, ...options });
  return Buffer.concat(rows.map((row) => Buffer.from(sequence.pack(row))));
}

const recordRow = fc.dictionary(
  fc.constantFrom(...'abcdefgh', 'a longer key that takes more than thirty-one bytes'),
  fc.oneof(
    { maxDepth: 3 },
    fc.integer({ min: 0, max: 200 }),
    fc.string({ maxLength: 40 }),
    fc.constantFrom(null, true, 1.5, new Date(0), [1, [64, { a: 65 }]]),
    fc.dictionary(fc.constantFrom('x', 'y', 'z'), fc.constantFrom(64, 127, 'x', { a: 1, b: [] }), {
      noNullPrototype: true,
    }),
  ),
  { noNullPrototype: true },
);

test('rows that are records are the rows that msgpackr packed, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(recordRow),
      fc.integer({ min: 1, max: 700 }),
      fc.constantFrom('sequence', 'each by itself', 'wide ids'),
      (rows, size, way) => {
        const each = new Packr();
        const body =
          way === 'each by itself'
            ? Buffer.concat(rows.map((row) => Buffer.from(each.pack(row))))
            : packSequence(rows, way === 'wide ids' ? { maxOwnStructures: 4000 } : {});
        const taken = read(body, size);
        const expected = rows.map((row, index) => ({ messageId: `import-x-${index}`, ...row }));
        assert.deepEqual(taken.rows, expected);
        assert.equal(taken.importBytes, body.length);
      },
    ),
    { numRuns: 500 },
  );
});

test('records of thousands of shapes, over many batches', () => {
  const rows = Array.from({ length: 30_000 }, (_, index) => ({
    type: 'track',
    [`only ${index % 5000}`]: index,
    properties: { n: index % 128, text: 'x'.repeat(60) },
  }));
  // Beyond 64 of them ids are given anew, or take two bytes.
  for (const options of [{}, { maxOwnStructures: 4000 }]) {
    const taken = read(packSequence(rows, options), 65_536);
    assert.ok(taken.batches > 3);
    taken.rows.forEach((row, index) => {
      assert.deepEqual(row, { messageId: `import-x-${index}`, ...rows[index] });
    });
  }
});

test('a row whose keys make it larger than a row may be is refused', () => {
  const key = 'k'.repeat(600_000);
  const record = packSequence([{ [key]: 1 }, { [key]: { [key]: 2 } }]);
  assert.equal(codeOf(record), 'TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE');
});

test('records that cannot be are refused, and a cut-off row defines nothing', () => {
  for (const bytes of [
    [0xd4, 0x72, 0x40, 0x91, 0x01, 0x01], // a key that is no text
    [0xd4, 0x72, 0x40, 0x80], // keys that are no array
    [0xd5, 0x72, 0x41, 0x00, 0x91, 0xa1, 0x61, 0x01], // an id of two bytes that is too low
    [0xd6, 0x72, 0x40, 0, 0, 0, 0x90], // an id of four bytes
    [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61], // its value is missing
    [0xd5, 0x72, 0x60, 0x00, 0x91, 0xa1, 0x61, 0x01, 0x60, 0x09, 0x01], // never defined
    [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0xc1],
    [0xd4, 0x72, 0x40, 0xdd, 0xff, 0xff, 0xff, 0xff],
    [0x40], // an integer where nothing was defined
  ]) {
    const body = Buffer.from(bytes);
    assert.equal(codeOf(body), 'TRIBUTARY_INGEST_IMPORT_MSGPACK_MALFORMED', body.toString('hex'));
  }
  // The first try sees half of a row whose 64 comes before the definition of that id.
  const rows = new ExpandedRows(1000, 10);
  const body = Buffer.from([0x82, 0xa1, 0x61, 0x40, 0xa1, 0x62, ...packSequence([{ c: 1 }])]);
  assert.equal(rows.expand(body.subarray(0, -1)).count, 0);
  assert.equal(rows.expand(body).count, 1);
  assert.deepEqual(unpack(rows.bytes.subarray(0, rows.ends[0])), { a: 64, b: { c: 1 } });
});

test('whatever the bytes, no more is read or written than there is', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(recordRow, { maxLength: 6 }),
      damage,
      fc.nat(400),
      (rows, damaged, room) => {
        const body = packSequence(rows);
        for (const [at, byte] of damaged) if (body.length > 0) body[at % body.length] = byte;
        const expanded = new ExpandedRows(room, 4);
        const { count } = expanded.expand(body);
        let [before, written] = [0, 0];
        for (let row = 0; row < count; row += 1) {
          const end = expanded.sourceEnds[row]!;
          const until = expanded.ends[row]!;
          assert.ok(end > before && end <= body.length && until > written && until <= room);
          [before, written] = [end, until];
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('what is no map or is cut off is refused', () => {
  assert.equal(read(Buffer.alloc(0)).rows.length, 0);
  const map = packr.pack({ a: [1, 2, 3] });
  for (const body of [
    packr.pack(7),
    packr.pack([map]),
    map.subarray(0, map.length - 1),
    Buffer.concat([map, Buffer.from([0xc1])]),
    Buffer.from([0x81, 0xa1, 0x61, 0xc1]),
    Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
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
