import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { IMPORT_BATCH_BYTES, ImportBatcher, isImportId } from '../../ingest/import-batcher.ts';

interface Cut {
  readonly batches: string[];
  readonly rows: number;
  readonly bytes: number;
}

/** Everything `pieces` are cut into. */
function cut(pieces: readonly Uint8Array[], firstRow = 0): Cut {
  const batcher = new ImportBatcher('x', firstRow);
  const batches: string[] = [];
  let rows = 0;
  let bytes = 0;
  const takeAll = (isComplete: boolean): void => {
    for (;;) {
      const batch = batcher.take(isComplete);
      if (batch === undefined) return;
      batches.push(Buffer.from(batch.bytes).toString());
      rows += batch.rows;
      bytes += batch.importBytes;
    }
  };
  for (const piece of pieces) {
    batcher.push(piece);
    takeAll(false);
  }
  takeAll(true);
  return { batches, rows, bytes };
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as TributaryError).code;
  }
  return 'accepted';
}

test('every row gets the id of its place, and keeps its own where it has one', () => {
  const { batches, rows } = cut([Buffer.from('{"a":1}\n\n { }\r\n{"messageId":"own"}')], 7);
  assert.equal(rows, 3);
  assert.deepEqual(batches, [
    '{"batch":[{"messageId":"import-x-7","a":1}\n,{"messageId":"import-x-8"}\r\n,{"messageId":"import-x-9","messageId":"own"}]}',
  ]);
  assert.deepEqual(
    JSON.parse(batches[0]!).batch.map((event: { messageId: string }) => event.messageId),
    ['import-x-7', 'import-x-8', 'own'],
  );
});

test('an import of nothing has no batch', () => {
  for (const text of ['', '\n', ' \r\n\n']) assert.deepEqual(cut([Buffer.from(text)]).batches, []);
});

test('a row that is no object, and one that is too large, end the import', () => {
  assert.equal(
    codeOf(() => cut([Buffer.from('{}\n7\n')])),
    'TRIBUTARY_INGEST_IMPORT_ROW_MALFORMED',
  );
  const row = (bytes: number): Buffer => Buffer.from(`{"t":"${'x'.repeat(bytes - 9)}"}\n`);
  assert.equal(row(100).length, 100);
  assert.equal(cut([row(IMPORT_BATCH_BYTES), row(50)]).rows, 2);
  assert.equal(
    codeOf(() => cut([row(IMPORT_BATCH_BYTES + 1)])),
    'TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE',
  );
  assert.equal(
    codeOf(() => cut([row(50), row(IMPORT_BATCH_BYTES + 1)])),
    'TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE',
  );
});

test('a batch has at most so many rows and bytes', () => {
  const tiny = Buffer.from('{}\n'.repeat(2 * LIMITS.importBatchRowsMax + 1));
  const { batches, rows } = cut([tiny]);
  assert.equal(rows, 2 * LIMITS.importBatchRowsMax + 1);
  assert.deepEqual(
    batches.map((batch) => JSON.parse(batch).batch.length),
    [LIMITS.importBatchRowsMax, LIMITS.importBatchRowsMax, 1],
  );
  const large = Buffer.from(`{"t":"${'x'.repeat(1000)}"}\n`.repeat(3000));
  assert.equal(cut([large]).bytes, large.length);
  for (const batch of cut([large]).batches) assert.ok(batch.length <= LIMITS.batchBytesMax);
});

test('a batch stays as it is while others are under way, however many blank lines are between', () => {
  const batcher = new ImportBatcher('x', 0);
  const blank = Buffer.alloc(IMPORT_BATCH_BYTES, '\n');
  batcher.push(Buffer.concat([Buffer.from('{"a":1}'), blank.subarray(7)]));
  const first = batcher.take(false)!.bytes;
  for (let count = 1; count < LIMITS.importBatchesUnderWay; count += 1) {
    batcher.push(blank);
    assert.equal(batcher.take(false), undefined);
  }
  batcher.push(Buffer.from('{"b":2}'));
  assert.match(Buffer.from(batcher.take(true)!.bytes).toString(), /"b":2/);
  assert.match(Buffer.from(first).toString(), /"a":1/);
});

test('where the body is cut into pieces changes no row', () => {
  const lines = fc.array(fc.dictionary(fc.string({ maxLength: 5 }), fc.string()), {
    maxLength: 50,
  });
  fc.assert(
    fc.property(lines, fc.array(fc.nat(5000), { maxLength: 5 }), (events, cuts) => {
      const body = Buffer.from(events.map((event) => JSON.stringify(event)).join('\n'));
      const edges = [0, ...cuts.map((at) => at % (body.length + 1)), body.length].sort(
        (left, right) => left - right,
      );
      const pieces = edges.slice(1).map((end, index) => body.subarray(edges[index], end));
      assert.deepEqual(cut(pieces), cut([body]));
      assert.equal(cut(pieces).rows, events.length);
    }),
  );
});

test('an import id fits into a message id', () => {
  assert.ok(isImportId('2026-03.orders_1'));
  for (const id of ['', 'a b', 'a/b', 'x'.repeat(65), 'é']) assert.ok(!isImportId(id), id);
  const longest = `import-${'x'.repeat(64)}-${Number.MAX_SAFE_INTEGER}`;
  assert.ok(longest.length <= LIMITS.messageIdBytesMax);
});
