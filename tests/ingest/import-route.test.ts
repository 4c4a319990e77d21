import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';

let door: FrontDoor;
before(async () => {
  door = await openFrontDoor();
});
after(() => door.server.close());

const key = { Authorization: `Bearer ${WRITE_KEY}` };

interface Progress {
  readonly importId: string;
  readonly state: string;
  readonly nextRow: number;
  readonly bytes: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly error?: { readonly code: string; readonly message: string };
}

function rowsOf(count: number): string {
  return Array.from({ length: count }, (_, row) => `{"type":"page","userId":"u${row}"}\n`).join('');
}

async function send(query: string, body: string): Promise<{ status: number; last: Progress }> {
  const response = await door.post(`/v1/import?${query}`, body, key);
  const lines = (await response.text()).trim().split('\n');
  return { status: response.status, last: JSON.parse(lines.at(-1)!) as Progress };
}

async function progressOf(importId: string): Promise<{ status: number; body: Progress }> {
  const response = await fetch(`${door.url}/v1/import/${importId}`, { headers: key });
  return { status: response.status, body: (await response.json()) as Progress };
}

test('a body larger than a batch is stored, and told row by row', async () => {
  const body = rowsOf(100_000);
  const { status, last } = await send('format=ndjson&import_id=large', body);
  assert.equal(status, 200);
  assert.deepEqual(last, {
    importId: 'large',
    state: 'complete',
    nextRow: 100_000,
    bytes: body.length,
    accepted: 100_000,
    duplicates: 0,
    rejected: 0,
  });
  assert.deepEqual((await progressOf('large')).body, last);
});

test('an import that is sent again, or from some row, stores nothing twice', async () => {
  const body = rowsOf(50);
  assert.equal((await send('format=ndjson&import_id=again', body)).last.accepted, 50);
  const again = (await send('format=ndjson&import_id=again', body)).last;
  assert.deepEqual([again.accepted, again.duplicates], [0, 50]);
  const rest = body.split('\n').slice(30).join('\n');
  const resumed = (await send('format=ndjson&import_id=again&from_row=30', rest)).last;
  assert.deepEqual([resumed.accepted, resumed.duplicates, resumed.nextRow], [0, 20, 50]);
  const other = (await send('format=ndjson&import_id=other', body)).last;
  assert.equal(other.accepted, 50);
});

test('an import that fails says where to go on', async () => {
  const refused = await send('format=ndjson&import_id=bad', `${rowsOf(3)}7\n`);
  assert.equal(refused.status, 400);
  assert.equal(refused.last.error?.code, 'TRIBUTARY_INGEST_IMPORT_ROW_MALFORMED');
  const { accepted, nextRow, state } = refused.last;
  assert.deepEqual([state, nextRow, accepted], ['interrupted', 3, 3], 'the rows before are stored');

  door.writer.failure = new TributaryError('TRIBUTARY_ENGINE_POISONED', { reason: 'a test' });
  const failed = await send('format=ndjson&import_id=fails', rowsOf(3));
  door.writer.failure = undefined;
  assert.equal(failed.status, 503);
  assert.equal((await progressOf('fails')).body.state, 'interrupted');
  assert.equal((await send('format=ndjson&import_id=fails', rowsOf(3))).last.accepted, 3);
});

test('a row that cannot be read is named, and those before it are stored', async () => {
  for (const [id, row, broken] of [
    ['middle', 1700, '{"type":"track",}'],
    ['first', 0, '{"a":"\\x"}'],
    ['last', 2999, '{"a":}'],
  ] as const) {
    const lines = rowsOf(3000).split('\n');
    lines[row] = broken;
    const { last } = await send(`format=ndjson&import_id=${id}`, lines.join('\n'));
    const { accepted, error, nextRow, state } = last;
    assert.deepEqual([state, nextRow, accepted], ['interrupted', row, row], id);
    assert.equal(error?.code, 'TRIBUTARY_INGEST_IMPORT_ROW_UNREADABLE');
    assert.ok(error?.message.startsWith(`Row ${row} of the import cannot be read: The body`), id);
    lines[row] = rowsOf(1).trim();
    const query = `format=ndjson&import_id=${id}&from_row=${nextRow}`;
    const resumed = await send(query, lines.slice(nextRow).join('\n'));
    assert.deepEqual([resumed.last.state, resumed.last.nextRow], ['complete', 3000]);
  }
});

test('of two rows to blame the first is named, though the second is found before it', async () => {
  const lines = rowsOf(1000).split('\n');
  lines[100] = '{"type":"track",}';
  lines[900] = '7';
  const { last } = await send('format=ndjson&import_id=both', lines.join('\n'));
  assert.deepEqual([last.nextRow, last.accepted], [100, 100]);
  assert.ok(last.error?.message.startsWith('Row 100 of the import cannot be read'));
  lines[100] = rowsOf(1).trim();
  const resumed = await send(
    'format=ndjson&import_id=both&from_row=100',
    lines.slice(100).join('\n'),
  );
  assert.equal(resumed.last.nextRow, 900);
  assert.match(resumed.last.error?.message ?? '', /^Row 900 of the import is not/);
});

test('an import that finds the queue full waits and goes on', async () => {
  const full = { queuedBytes: 1, limitBytes: 1 };
  door.writer.failure = new TributaryError('TRIBUTARY_ENGINE_QUEUE_FULL', full);
  const sent = send('format=ndjson&import_id=waits', rowsOf(3));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal((await progressOf('waits')).body.state, 'running');
  const second = await send('format=ndjson&import_id=waits', rowsOf(3));
  assert.equal(second.last.error?.code, 'TRIBUTARY_INGEST_IMPORT_RUNNING');
  door.writer.failure = undefined;
  assert.equal((await sent).last.accepted, 3);
});

test('a request that is no import is refused', async () => {
  for (const query of [
    '',
    'format=ndjson',
    'import_id=x',
    'format=xml&import_id=x',
    'format=ndjson&import_id=a%20b',
    'format=ndjson&import_id=x&from_row=-1',
    'format=ndjson&import_id=x&from_row=many',
  ]) {
    const { last } = await send(query, '{}');
    assert.equal(last.error?.code, 'TRIBUTARY_INGEST_REQUEST_INVALID', query);
  }
  const nobody = await door.post('/v1/import?format=ndjson&import_id=x', '{}');
  assert.equal(nobody.status, 401);
  assert.equal((await progressOf('never')).status, 404);
});

test('a client that goes away leaves an import that can be sent again', async () => {
  const cut = new AbortController();
  const endless = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(Buffer.from(rowsOf(40_000)));
    },
  });
  const request = fetch(`${door.url}/v1/import?format=ndjson&import_id=cut`, {
    method: 'POST',
    headers: key,
    body: endless,
    signal: cut.signal,
    duplex: 'half',
  } as RequestInit);
  let progress = await progressOf('cut');
  for (
    let tries = 0;
    progress.body.nextRow === undefined || progress.body.nextRow === 0;
    tries += 1
  ) {
    assert.ok(tries < 500, 'a first batch is stored');
    await new Promise((resolve) => setTimeout(resolve, 10));
    progress = await progressOf('cut');
  }
  cut.abort();
  await assert.rejects(request);
  for (let tries = 0; progress.body.state !== 'interrupted'; tries += 1) {
    assert.ok(tries < 500, 'the import is over');
    await new Promise((resolve) => setTimeout(resolve, 10));
    progress = await progressOf('cut');
  }
  const again = (await send('format=ndjson&import_id=cut', rowsOf(40_000))).last;
  assert.equal(again.duplicates, progress.body.nextRow);
  assert.equal(again.accepted, 40_000 - progress.body.nextRow);
});
