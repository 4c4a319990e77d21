/** Imports through the real process: what they store, and what is known of them after a crash. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import * as arrow from 'apache-arrow';
import { Packr } from 'msgpackr';
import { Table, writeParquet } from 'parquet-wasm';
import { ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start();
});
after(() => appliance.remove());

const headers = { Authorization: `Bearer ${WRITE_KEY}` };

const packr = new Packr({ useRecords: false });

interface Progress {
  readonly state: string;
  readonly nextRow: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly error?: { readonly code: string; readonly message: string };
}

async function send(format: string, id: string, body: Uint8Array | string): Promise<Progress> {
  const url = `${appliance.url}/v1/import?format=${format}&import_id=${id}`;
  const response = await fetch(url, { method: 'POST', headers, body });
  return JSON.parse((await response.text()).trim().split('\n').at(-1)!) as Progress;
}

async function progressOf(id: string): Promise<Progress> {
  const response = await fetch(`${appliance.url}/v1/import/${id}`, { headers });
  return (await response.json()) as Progress;
}

test('the same table is the same rows, in every format', async () => {
  const rows = Array.from({ length: 3000 }, (_, row) => ({
    type: row % 1000 === 999 ? 'none' : 'track',
    event: `Bought ${row % 3}`,
    userId: `user-${row % 50}`,
    properties: { price: row / 4, name: `é"${row}` },
  }));
  const strings = (values: string[]): arrow.Vector =>
    arrow.vectorFromArray(values, new arrow.Utf8());
  const table = new arrow.Table({
    type: strings(rows.map(({ type }) => type)),
    event: strings(rows.map(({ event }) => event)),
    user_id: strings(rows.map(({ userId }) => userId)),
    price: arrow.vectorFromArray(
      rows.map(({ properties }) => properties.price),
      new arrow.Float64(),
    ),
    name: arrow.vectorFromArray(
      rows.map(({ properties }) => properties.name),
      new arrow.Utf8(),
    ),
  } as Record<string, arrow.Vector>);
  // `name` is a field of the tracking API: in NDJSON it stands beside the properties.
  const lines = rows.map(({ properties: { name, ...properties }, ...row }) =>
    JSON.stringify({ ...row, name, properties }),
  );
  const stream = arrow.tableToIPC(table, 'stream');
  const bodies = {
    ndjson: lines.join('\n'),
    json: `[${lines.join(',')}]`,
    msgpack: Buffer.concat(lines.map((line) => packr.pack(JSON.parse(line)))),
    arrow: stream,
    parquet: writeParquet(Table.fromIPCStream(stream)),
  };
  for (const [format, body] of Object.entries(bodies)) {
    const { accepted, nextRow, rejected, state } = await send(format, `as-${format}`, body);
    assert.deepEqual([state, nextRow, accepted, rejected], ['complete', 3000, 2997, 3], format);
  }
  const { rows: counted } = await appliance.sql(
    `SELECT count(*), count(DISTINCT split_part(message_id, '-', 3)),
       count(DISTINCT concat_ws('|', event, name, user_id, (properties->>'price')::DOUBLE))
     FROM events WHERE message_id LIKE 'import-as-%'`,
  );
  assert.deepEqual(counted, [[5 * 2997, 5, 2997]]);
  const again = await send('parquet', 'as-parquet', bodies.parquet);
  assert.deepEqual([again.accepted, again.duplicates], [0, 2997]);
});

test('an import is known after a crash, and goes on where it was', async () => {
  const line = (row: number): string =>
    `{"type":"page","userId":"r","properties":{"row":${row}}}\n`;
  const body = Array.from({ length: 60_000 }, (_, row) => line(row)).join('');
  const done = await send('ndjson', 'done', body.slice(0, body.indexOf('\n', 1000) + 1));
  const endless = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(Buffer.from(body));
    },
  });
  const cut = fetch(`${appliance.url}/v1/import?format=ndjson&import_id=cut`, {
    method: 'POST',
    headers,
    body: endless,
    duplex: 'half',
  } as RequestInit).then(
    (response) => response.text(),
    () => '',
  );
  while (!((await progressOf('cut')).nextRow > 0)) await delay(10);
  await appliance.kill();
  await cut;
  await appliance.restart();

  assert.deepEqual(await progressOf('done'), done);
  const { nextRow, state } = await progressOf('cut');
  assert.equal(state, 'interrupted');
  const { rows } = await appliance.sql(
    `SELECT count(*) FROM events WHERE message_id LIKE 'import-cut-%'`,
  );
  const stored = Number(rows[0]![0]);
  assert.ok(nextRow <= stored, `${nextRow} of ${stored} rows`);
  const rest = body.split('\n').slice(nextRow).join('\n');
  const url = `${appliance.url}/v1/import?format=ndjson&import_id=cut&from_row=${nextRow}`;
  const response = await fetch(url, { method: 'POST', headers, body: rest });
  const last = JSON.parse((await response.text()).trim().split('\n').at(-1)!) as Progress;
  assert.deepEqual([last.state, last.nextRow], ['complete', 60_000]);
  assert.deepEqual([last.duplicates, last.accepted], [stored - nextRow, 60_000 - stored]);
});

/** Lines that are no objects, each set of which stands behind a good one and is JSON where lines are joined. */
const LINES_THAT_JOIN = {
  'half an object and the other': ['{"userId":"u","type":"page","list":[{}', '{}]}'],
  'two objects': ['{"userId":"u","type":"page"},{"userId":"u","type":"page"}'],
  'the end of the batch and another': [
    '{"userId":"u","type":"page"}],"batch":[{"userId":"v","type":"page"}',
  ],
  'a member of the batch': ['{"userId":"u","type":"page"}],"context":{"ip":"1.1.1.1"},"x":[{}'],
};

test('lines that are objects only together are refused, and none before them is lost', async () => {
  const good = '{"userId":"good","type":"page"}';
  const count = async (): Promise<number> => {
    const { rows } = await appliance.sql('SELECT count(*) FROM events');
    return Number(rows[0]![0]);
  };
  for (const [name, lines] of Object.entries(LINES_THAT_JOIN)) {
    const before = await count();
    const body = [good, good, ...lines, good].join('\n');
    const { accepted, error, nextRow, state } = await send(
      'ndjson',
      name.replaceAll(' ', '-'),
      body,
    );
    assert.deepEqual([state, nextRow, accepted], ['interrupted', 2, 2], name);
    assert.equal(error?.code, 'TRIBUTARY_INGEST_IMPORT_ROW_UNREADABLE');
    assert.match(error?.message ?? '', /^Row 2 of the import cannot be read/);
    const batch = {
      method: 'POST',
      body,
      headers: { ...headers, 'Content-Type': 'application/x-ndjson' },
    };
    const answer = await fetch(`${appliance.url}/v1/batch`, batch);
    const { error: refusal } = (await answer.json()) as { error: { code: string } };
    assert.deepEqual([answer.status, refusal.code], [400, 'TRIBUTARY_INGEST_JSON_MALFORMED'], name);
    assert.equal((await count()) - before, 2, name);
  }
});
