/** The limits of imports that a process of their own reads. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import * as arrow from 'apache-arrow';
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { MIB } from '../../base/units.ts';
import { batchesOfImport } from '../../ingest/import-rows.ts';
import { type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';

let door: FrontDoor;
before(async () => {
  door = await openFrontDoor();
});
after(() => door.server.close());

const headers = { Authorization: `Bearer ${WRITE_KEY}` };

/** A file whose sender never comes to its end. @returns how to go away. */
function startEndless(id: string): { gone: Promise<unknown>; leave: () => void } {
  const cut = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(Buffer.from('PAR1'));
    },
  });
  const request = fetch(`${door.url}/v1/import?format=parquet&import_id=${id}`, {
    method: 'POST',
    headers,
    body,
    signal: cut.signal,
    duplex: 'half',
  } as RequestInit);
  return { gone: request.catch(() => undefined), leave: () => cut.abort() };
}

async function stateOf(id: string): Promise<string | undefined> {
  const response = await fetch(`${door.url}/v1/import/${id}`, { headers });
  return ((await response.json()) as { state?: string }).state;
}

test('one file more than may be read at once is refused, until one is done', async () => {
  const ids = Array.from({ length: LIMITS.importFilesMax }, (_, index) => `endless-${index}`);
  const running = ids.map(startEndless);
  for (const id of ids) while ((await stateOf(id)) !== 'running') await delay(10);

  const one = (): Promise<Response> =>
    door.post('/v1/import?format=arrow&import_id=more', 'no arrow', headers);
  const refused = await one();
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers.get('retry-after')) >= 1);
  assert.match(await refused.text(), /TRIBUTARY_INGEST_IMPORT_FILES_FULL/);

  for (const { leave } of running) leave();
  await Promise.all(running.map(({ gone }) => gone));
  for (const id of ids) while ((await stateOf(id)) !== 'interrupted') await delay(10);
  const tried = await one();
  assert.match(await tried.text(), /TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED/);
});

test('Arrow is imported where bytes in flight leave no room for a record batch', async () => {
  // As much as an import takes of any format: the stream is read by a process.
  const own = await openFrontDoor({ inFlightBytesMax: 8 * MIB });
  try {
    const userId = arrow.vectorFromArray(['ada', 'bob'], new arrow.Utf8());
    const file = arrow.tableToIPC(new arrow.Table({ userId }), 'stream');
    for (const id of ['a', 'b']) {
      const path = `/v1/import?format=arrow&import_id=${id}`;
      const response = await own.post(path, Buffer.from(file), headers);
      const { state, nextRow } = (await response.json()) as { state?: string; nextRow?: number };
      assert.deepEqual({ state, nextRow }, { state: 'complete', nextRow: 2 });
    }
  } finally {
    own.server.close();
  }
});

test('a small file of endless rows is given up', async () => {
  const length = 50_000_000;
  const nothing = arrow.makeVector(arrow.makeData({ type: new arrow.Null(), length }));
  const file = arrow.tableToIPC(new arrow.Table({ nothing }), 'stream');
  assert.ok(file.length < 1000);
  async function* body(): AsyncGenerator<Uint8Array> {
    yield file;
  }
  let bytes = 0;
  const reading = async (): Promise<void> => {
    const source = { format: 'arrow', encoding: 'identity', importId: 'x', firstRow: 0 } as const;
    for await (const batch of batchesOfImport(source, body()).batches) bytes += batch.bytes.length;
  };
  await assert.rejects(
    reading(),
    (error: unknown) =>
      error instanceof TributaryError && error.code === 'TRIBUTARY_INGEST_ENCODING_RATIO',
  );
  assert.ok(bytes < 20 * 1024 * 1024 && bytes > 15 * 1024 * 1024, `${bytes}`);
});
