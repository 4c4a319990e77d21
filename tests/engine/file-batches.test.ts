/** How batches are handed over: both ends in one process, over a real memory file. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TributaryError } from '../../base/errors.ts';
import {
  BATCH_SLOTS_BYTES,
  BatchWriter,
  batchesFrom,
  FILE_BATCH_BYTES_MAX,
} from '../../engine/file-batches.ts';
import { MemoryFile } from '../../storage/memory-file.ts';

/** What the reader takes of the batches of these rows, whose headers arrive cut into `pieceBytes`. */
async function handOver(batches: readonly string[], pieceBytes: number): Promise<string[]> {
  const slots = MemoryFile.create(BATCH_SLOTS_BYTES);
  const told: number[] = [];
  let free = 2;
  const writer = new BatchWriter({
    write: (position, bytes) => slots.write(position, bytes),
    tell: (header) => told.push(...header),
    awaitSlot: () => assert.ok(free > 0, 'no slot was given back'),
  });
  async function* headers(): AsyncGenerator<Uint8Array> {
    for (const rows of batches) {
      const text = Buffer.from(rows);
      writer.write(rows.split(',').length, text.length, (target) => target.set(text));
      free -= 1;
      while (told.length > 0) yield Uint8Array.from(told.splice(0, pieceBytes));
    }
  }
  const inlet = {
    headers: headers(),
    read: (position: number, target: Uint8Array) => slots.read(position, target),
    release: () => {
      free += 1;
    },
  };
  const texts: string[] = [];
  try {
    for await (const { bytes, rows } of batchesFrom(inlet, 'arrow', 0)) {
      const text = Buffer.from(bytes).toString('utf8');
      assert.equal((JSON.parse(text) as { batch: unknown[] }).batch.length, rows);
      texts.push(text);
    }
  } finally {
    slots.close();
  }
  return texts;
}

async function codeOf(reading: Promise<unknown>): Promise<string> {
  try {
    await reading;
    return 'none';
  } catch (error) {
    assert.ok(error instanceof TributaryError, String(error));
    return error.code;
  }
}

/** What the reader says of one header, with slots that nobody has written to. */
async function codeOfHeader(bytes: number, rows: number, slotBytes: number): Promise<string> {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(bytes, 0);
  header.writeUInt32LE(rows, 4);
  const slots = MemoryFile.create(slotBytes);
  async function* headers(): AsyncGenerator<Uint8Array> {
    yield header;
  }
  const inlet = {
    headers: headers(),
    read: (position: number, target: Uint8Array) => slots.read(position, target),
    release() {},
  };
  const reading = async (): Promise<void> => {
    for await (const { rows: read } of batchesFrom(inlet, 'arrow', 0)) assert.equal(read, rows);
  };
  const code = await codeOf(reading());
  slots.close();
  return code;
}

test('batches arrive whole and in order, however their headers are cut', async () => {
  const batch = fc.array(fc.constantFrom('{"a":1}', '{}'), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(fc.array(batch), fc.integer({ min: 1, max: 20 }), async (batches, size) => {
      const texts = batches.map((rows) => rows.join(','));
      const expected = texts.map((rows) => `{"batch":[${rows}]}`);
      assert.deepEqual(await handOver(texts, size), expected);
    }),
    { numRuns: 30 },
  );
});

test('a row fills a batch; one that is longer is told of and not written', async () => {
  const row = (bytes: number): string => `{"a":"${'x'.repeat(bytes - 8)}"}`;
  assert.equal((await handOver([row(FILE_BATCH_BYTES_MAX), '{}'], 8)).length, 2);
  const code = await codeOf(handOver(['{}', row(FILE_BATCH_BYTES_MAX + 1)], 8));
  assert.equal(code, 'TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE');
});

test('a header beyond the limits, or of bytes that are not there, is an error of the file', async () => {
  const malformed = 'TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED';
  assert.equal(await codeOfHeader(100, 2, BATCH_SLOTS_BYTES), 'none');
  assert.equal(await codeOfHeader(100, 2, 50), malformed);
  assert.equal(await codeOfHeader(100, 0, BATCH_SLOTS_BYTES), malformed);
  assert.equal(await codeOfHeader(100, 1_000_000, BATCH_SLOTS_BYTES), malformed);
  assert.equal(await codeOfHeader(2 ** 32 - 1, 2, BATCH_SLOTS_BYTES), malformed);
});
