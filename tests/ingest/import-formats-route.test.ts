/** Imports in every format and compression, through the front door. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { LIMITS } from '../../base/limits.ts';
import { type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';

let door: FrontDoor;
before(async () => {
  door = await openFrontDoor();
});
after(() => door.server.close());

interface Progress {
  readonly state: string;
  readonly nextRow: number;
  readonly accepted: number;
  readonly error?: { readonly code: string };
}

const ROWS = 5000;
/** Rows that do not compress well: many pieces on the way. */
const rows = Array.from({ length: ROWS }, (_, row) => {
  const noise = createHash('sha512').update(String(row)).digest('base64');
  return { type: 'page', userId: `u${row}`, properties: { noise, text: 'a\n"b"' } };
});
const ndjson = rows.map((row) => JSON.stringify(row)).join('\n');

async function send(query: string, body: string | Uint8Array, encoding = ''): Promise<Progress> {
  const headers = { Authorization: `Bearer ${WRITE_KEY}`, 'Content-Encoding': encoding };
  const response = await door.post(`/v1/import?${query}`, body, headers);
  return JSON.parse((await response.text()).trim().split('\n').at(-1)!) as Progress;
}

test('a compressed body is stored like the plain one', async () => {
  const plain = Buffer.from(ndjson);
  for (const [encoding, body] of [
    ['gzip', gzipSync(plain)],
    ['x-gzip', Buffer.concat([gzipSync(plain.subarray(0, 1000)), gzipSync(plain.subarray(1000))])],
    ['deflate', deflateSync(plain)],
    ['deflate', deflateRawSync(plain)],
    ['br', brotliCompressSync(plain)],
    ['identity', plain],
  ] as const) {
    const id = `packed-${encoding}-${body.length}`;
    const last = await send(`format=ndjson&import_id=${id}`, body, encoding);
    assert.deepEqual([last.state, last.accepted, last.nextRow], ['complete', ROWS, ROWS], encoding);
  }
});

test('a body that is not what its encoding says, or inflates without end, is refused', async () => {
  const cut = await send('format=ndjson&import_id=cut', gzipSync(ndjson).subarray(0, 5000), 'gzip');
  assert.equal(cut.error?.code, 'TRIBUTARY_INGEST_ENCODING_MALFORMED');
  const plain = await send('format=ndjson&import_id=plain', ndjson, 'gzip');
  assert.equal(plain.error?.code, 'TRIBUTARY_INGEST_ENCODING_MALFORMED');
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 0x0a), { level: 9 });
  assert.ok((64 * 1024 * 1024) / bomb.length > LIMITS.gzipRatioMax);
  const refused = await send('format=ndjson&import_id=bomb', bomb, 'gzip');
  assert.equal(refused.error?.code, 'TRIBUTARY_INGEST_ENCODING_RATIO');
  const unknown = await send('format=ndjson&import_id=lzw', ndjson, 'compress');
  assert.equal(unknown.error?.code, 'TRIBUTARY_INGEST_ENCODING_UNKNOWN');
});

test('a JSON array of any length is stored event by event', async () => {
  const body = JSON.stringify({ batch: rows }, null, 1);
  const last = await send('format=json&import_id=array', gzipSync(body), 'gzip');
  assert.deepEqual([last.state, last.accepted, last.nextRow], ['complete', ROWS, ROWS]);
  const again = await send('format=ndjson&import_id=array', ndjson);
  assert.equal(again.accepted, 0, 'rows have the same ids, whatever they are written in');
  const broken = await send('format=json&import_id=broken', '{"type":"page"}');
  assert.equal(broken.error?.code, 'TRIBUTARY_INGEST_IMPORT_JSON_MALFORMED');
});

test('a connection takes its next request after a body that came faster than it was stored', async () => {
  const long = `${ndjson}\n`.repeat(20);
  for (const id of ['first', 'second']) {
    const last = await send(`format=ndjson&import_id=${id}`, long);
    assert.equal(last.nextRow, 20 * ROWS);
  }
});
