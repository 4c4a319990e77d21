/** Arrow and Parquet files as events, through the real process that reads them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as arrow from 'apache-arrow';
import fc from 'fast-check';
import { Table, writeParquet } from 'parquet-wasm';
import { TributaryError } from '../../base/errors.ts';
import { batchesOfFile, FILE_MEMORY, type FileFormat } from '../../engine/file-rows.ts';

const FORMATS: readonly FileFormat[] = ['arrow', 'parquet'];

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const SOURCE = { importId: 'x', firstRow: 5 };

/** The text of the batches, which must have the rows that they say. */
async function textOf(format: FileFormat, bytes: Uint8Array, size: number): Promise<string[]> {
  const texts: string[] = [];
  let row = SOURCE.firstRow;
  for await (const batch of batchesOfFile(format, SOURCE, inPieces(bytes, size))) {
    const text = Buffer.from(batch.bytes).toString('utf8');
    const { batch: rows } = JSON.parse(text) as { batch: unknown[] };
    assert.equal(rows.length, batch.rows);
    assert.ok(text.startsWith(`{"batch":[{"messageId":"import-x-${row}"`));
    row += batch.rows;
    texts.push(text);
  }
  return texts;
}

/** The rows, without the message ids they were given. */
async function read(format: FileFormat, bytes: Uint8Array, size = 64 * 1024): Promise<unknown[]> {
  const texts = await textOf(format, bytes, size);
  return texts.flatMap((text) => {
    const { batch } = JSON.parse(text) as { batch: { messageId?: string }[] };
    return batch.map(({ messageId, ...rest }) =>
      messageId?.startsWith('import-x-') ? rest : { messageId, ...rest },
    );
  });
}

function fileOf(format: FileFormat, table: arrow.Table): Uint8Array {
  const stream = arrow.tableToIPC(table, 'stream');
  return format === 'arrow' ? stream : writeParquet(Table.fromIPCStream(stream));
}

async function codeOf(format: FileFormat, bytes: Uint8Array): Promise<string> {
  try {
    await read(format, bytes);
    return 'none';
  } catch (error) {
    assert.ok(error instanceof TributaryError, String(error));
    return error.code;
  }
}

const micros = (iso: string): bigint => BigInt(Date.parse(iso)) * 1000n;

function column<T extends arrow.DataType>(type: T, values: readonly unknown[]): arrow.Vector<T> {
  return arrow.vectorFromArray(values as unknown[], type) as arrow.Vector<T>;
}

test('streams of Arrow one behind the other are read to the last, and their rows numbered on', async () => {
  // All but the first were passed over, and the import was complete.
  const stream = (...users: string[]): Uint8Array =>
    fileOf('arrow', new arrow.Table({ userId: column(new arrow.Utf8(), users) }));
  const texts = await textOf('arrow', Buffer.concat([stream('a', 'b'), stream('c')]), 100);
  const rows = texts.flatMap((text) => (JSON.parse(text) as { batch: object[] }).batch);
  assert.deepEqual(rows, [
    { messageId: 'import-x-5', userId: 'a' },
    { messageId: 'import-x-6', userId: 'b' },
    { messageId: 'import-x-7', userId: 'c' },
  ]);
  const withGarbage = Buffer.concat([stream('a'), Buffer.from('something else')]);
  assert.equal(await codeOf('arrow', withGarbage), 'TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED');
});

test('what is not plain goes on in the process, from its row', async () => {
  const users = column(new arrow.Utf8(), ['a', 'b']);
  const day = column(new arrow.DateDay(), [new Date('2026-03-01'), null]);
  const plain = fileOf('arrow', new arrow.Table({ userId: users }));
  const other = fileOf('arrow', new arrow.Table({ userId: users, day }));
  const texts = await textOf('arrow', Buffer.concat([plain, other]), 100);
  const rows = texts.flatMap((text) => (JSON.parse(text) as { batch: object[] }).batch);
  assert.deepEqual(rows, [
    { messageId: 'import-x-5', userId: 'a' },
    { messageId: 'import-x-6', userId: 'b' },
    { messageId: 'import-x-7', userId: 'a', properties: { day: '2026-03-01' } },
    { messageId: 'import-x-8', userId: 'b', properties: {} },
  ]);
});

test('a row that is too long is refused by its number, however it is read', async () => {
  const text = 'x'.repeat(300 * 1024);
  const columns = Object.fromEntries(
    ['a', 'b', 'c', 'd'].map((name) => [name, column(new arrow.Utf8(), ['short', text])]),
  );
  for (const format of FORMATS) {
    await assert.rejects(read(format, fileOf(format, new arrow.Table(columns))), {
      code: 'TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE',
      message: /\b6\b/,
    });
  }
});

test('pieces may be overwritten once the next one is asked for', async () => {
  const users = Array.from({ length: 500 }, (_, index) => `user ${index}`);
  for (const format of FORMATS) {
    const file = fileOf(format, new arrow.Table({ userId: column(new arrow.Utf8(), users) }));
    const memory = Buffer.alloc(700);
    async function* reused(): AsyncGenerator<Uint8Array> {
      for await (const piece of inPieces(file, memory.length)) {
        memory.set(piece);
        yield memory.subarray(0, piece.length);
        memory.fill(0);
      }
    }
    const rows: { userId?: string }[] = [];
    for await (const { bytes } of batchesOfFile(format, SOURCE, reused())) {
      rows.push(
        ...(JSON.parse(Buffer.from(bytes).toString()) as { batch: { userId?: string }[] }).batch,
      );
    }
    assert.deepEqual(
      rows.map(({ userId }) => userId),
      users,
    );
  }
});

test('a body without a schema, and a file without its end, are told to be damaged', async () => {
  const table = new arrow.Table({ userId: column(new arrow.Utf8(), ['a', 'b']) });
  const file = arrow.tableToIPC(table, 'file');
  const cases = [
    [new Uint8Array(0), /read: it has no schema/],
    [file.subarray(0, 3), /read: it has no schema/],
    [file.subarray(0, -10), /read: it is damaged, or not all of it is there/],
  ] as const;
  for (const [bytes, message] of cases) {
    await assert.rejects(read('arrow', bytes), { message });
  }
});

test('columns become the fields they are named for, and others properties', async () => {
  const type = new arrow.TimestampMicrosecond('UTC');
  const values = new BigInt64Array([micros('2026-03-01T12:00:00.250Z') + 7n, 0n]);
  const nulls = { nullCount: 1, nullBitmap: new Uint8Array([1]) };
  const time = arrow.makeVector(arrow.makeData({ type, length: 2, data: values, ...nulls }));
  const table = new arrow.Table({
    message_id: column(new arrow.Utf8(), ['m1', 'm2']),
    userId: column(new arrow.Utf8(), ['ada "é"\n', 'bob']),
    event: column(new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32()), ['Bought', null]),
    timestamp: time,
    properties: column(new arrow.Utf8(), ['{ "big": 12345678901234567890,\n "a": 1 }', null]),
    traits: column(new arrow.Utf8(), ['{}', 'not json']),
    price: column(new arrow.Float64(), [2.5, Number.NaN]),
    count: column(new arrow.Int64(), [2n ** 62n, null]),
    day: column(new arrow.DateDay(), [new Date('2026-03-01'), null]),
    isNew: column(new arrow.Bool(), [true, false]),
  });
  const ipc = arrow.tableToIPC(table, 'stream');
  assert.deepEqual(await textOf('arrow', ipc, 100), [
    '{"batch":[' +
      '{"messageId":"import-x-5","messageId":"m1","userId":"ada \\"é\\"\\u000a","event":"Bought",' +
      '"timestamp":"2026-03-01T12:00:00.250007Z","traits":{},"properties":{' +
      '"big": 12345678901234567890,\n "a": 1 ,"price":2.5,"count":4611686018427387904,' +
      '"day":"2026-03-01","isNew":true}},' +
      '{"messageId":"import-x-6","messageId":"m2","userId":"bob","traits":"not json","properties":{"price":null,"isNew":false}}]}',
  ]);
});

test('nested columns are objects and arrays', async () => {
  const item = new arrow.Struct([
    new arrow.Field('sku', new arrow.Utf8(), true),
    new arrow.Field(
      'sizes',
      new arrow.List(new arrow.Field('item', new arrow.Int32(), true)),
      true,
    ),
  ]);
  const properties = column(item, [
    { sku: 'a', sizes: [1, null, 3] },
    { sku: null, sizes: [] },
  ]);
  const map = new arrow.Map_(
    new arrow.Field(
      'entries',
      new arrow.Struct([
        new arrow.Field('key', new arrow.Utf8(), false),
        new arrow.Field('value', new arrow.Float64(), true),
      ]) as never,
      false,
    ),
  );
  const context = column(map, [new Map([['x', 1.5]]), new Map()]);
  const table = new arrow.Table({ properties, context });
  for (const format of FORMATS) {
    assert.deepEqual(
      await read(format, fileOf(format, table)),
      [
        { properties: { sku: 'a', sizes: [1, null, 3] }, context: { x: 1.5 } },
        { properties: { sizes: [] }, context: {} },
      ],
      format,
    );
  }
});

test('rows come out in order, whatever their number and values', async () => {
  const text = fc.option(fc.string({ unit: 'grapheme', maxLength: 20 }));
  const row = fc.record({
    userId: text,
    price: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
  });
  const property = fc.asyncProperty(
    fc.array(row, { minLength: 1, maxLength: 50 }),
    async (some) => {
      const rows = Array.from({ length: 20_000 }, (_, index) => some[index % some.length]!);
      const table = new arrow.Table({
        userId: column(
          new arrow.Utf8(),
          rows.map(({ userId }) => userId),
        ),
        price: column(
          new arrow.Float64(),
          rows.map(({ price }) => price),
        ),
      });
      const expected = rows.map(({ userId, price }) => ({
        ...(userId !== null && { userId: Buffer.from(userId).toString('utf8') }),
        properties: price === null ? {} : { price: price + 0 },
      }));
      for (const format of FORMATS) {
        assert.deepEqual(
          await read(format, fileOf(format, table)),
          JSON.parse(JSON.stringify(expected)),
        );
      }
    },
  );
  await fc.assert(property, { numRuns: 2 });
});

test('what is no such file, is cut off or was damaged is refused and takes nobody with it', async () => {
  const table = new arrow.Table({ userId: column(new arrow.Utf8(), ['a', 'b', 'c']) });
  for (const format of FORMATS) {
    const whole = fileOf(format, table);
    assert.equal(
      await codeOf(format, Buffer.from('{"userId":"ada"}\n'.repeat(50))),
      'TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED',
      format,
    );
    // Read as a length, this is nearly all the memory that the process may have.
    const letters = Buffer.from('zzzz is no file'.repeat(10));
    assert.equal(await codeOf(format, letters), 'TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED');
    const cut = await codeOf(format, whole.subarray(0, whole.length - 30));
    assert.equal(cut, 'TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED', format);
    const rows = Array.from({ length: 20_000 }, (_, index) => `user-${index * 7919}`);
    const large = fileOf(format, new arrow.Table({ userId: column(new arrow.Utf8(), rows) }));
    large.fill(0xff, large.length >> 1, (large.length >> 1) + 64);
    if (format === 'parquet') {
      assert.equal(await codeOf(format, large), 'TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED');
    }
  }
});

test('a type that is not understood is named', async () => {
  const table = new arrow.Table({ at: column(new arrow.TimeMillisecond(), [1, 2]) });
  await assert.rejects(
    read('arrow', fileOf('arrow', table)),
    (error: unknown) => error instanceof TributaryError && /Time32/.test(error.message),
  );
});

test('a reader that stops ends the process, and a sender that fails is told as what it is', async () => {
  const rows = Array.from({ length: 50_000 }, (_, index) => `user-${index}`);
  const file = fileOf('arrow', new arrow.Table({ userId: column(new arrow.Utf8(), rows) }));
  for await (const { rows } of batchesOfFile('arrow', SOURCE, inPieces(file, 1000))) {
    assert.ok(rows > 0);
    break;
  }
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield file.subarray(0, 1000);
    throw new Error('the sender is gone');
  }
  const reading = async (): Promise<void> => {
    for await (const { rows } of batchesOfFile('arrow', SOURCE, failing())) assert.ok(rows > 0);
  };
  await assert.rejects(reading(), /the sender is gone/);
});

test('a file that takes more memory than there is ends its process, and is told', async () => {
  const piece = new Uint8Array(1024 * 1024);
  async function* huge(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('PAR1');
    for (let count = 0; count < 600; count += 1) yield piece;
  }
  const memory = { ...FILE_MEMORY, processBytesMax: 400 * 1024 * 1024 };
  const reading = async (): Promise<void> => {
    for await (const { rows } of batchesOfFile('parquet', SOURCE, huge(), memory)) {
      assert.equal(rows, 0);
    }
  };
  await assert.rejects(
    reading(),
    (error: unknown) =>
      error instanceof TributaryError && error.code === 'TRIBUTARY_INGEST_IMPORT_FILE_TOO_LARGE',
  );
});
