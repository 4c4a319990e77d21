/** Where a message is once it is no longer in memory, and however it came: asked of the real process. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start({ flags: ['--flush-age-seconds', '1'] });
});
after(() => appliance.remove());

type Occurrence = Readonly<Record<string, unknown>>;

const admin = { Authorization: `Bearer ${ADMIN_KEY}` };

async function trace(messageId: string): Promise<readonly Occurrence[]> {
  const response = await fetch(`${appliance.url}/v1/trace/${messageId}`, { headers: admin });
  const { occurrences = [] } = (await response.json()) as { occurrences?: Occurrence[] };
  return occurrences;
}

const statesOf = async (messageId: string): Promise<unknown[]> =>
  (await trace(messageId)).map(({ state }) => state);

/** Waits until the message, which was accepted first of all, is in a file. */
async function untilCold(messageId: string): Promise<void> {
  while ((await trace(messageId))[0]?.['files'] === undefined) await delay(100);
}

async function send(...batch: object[]): Promise<void> {
  const response = await appliance.send('/v1/batch', { batch });
  assert.equal(response.status, 200);
}

/** Objects of events that the lake has on the disk, by the ends of their locations. */
function eventFiles(): string[] {
  const names = readdirSync(join(appliance.directory, 'lake'), {
    recursive: true,
    encoding: 'utf8',
  });
  return names.filter((name) => /events-.*\.parquet$/.test(name));
}

const page = (messageId: string, more: object = {}): object => ({
  type: 'page',
  userId: 'ada',
  messageId,
  ...more,
});

test('a message that was flushed names its file, which is there, and so after a restart', async () => {
  await send(page('flushed'));
  assert.deepEqual(await statesOf('flushed'), ['accepted']);
  await untilCold('flushed');
  const [occurrence] = await trace('flushed');
  const files = occurrence?.['files'] as string[];
  assert.equal(files.length, 1);
  assert.ok(
    eventFiles().some((name) => files[0]!.endsWith(name)),
    files[0],
  );
  assert.ok(occurrence?.['profileId']);
  await appliance.kill();
  await appliance.restart();
  assert.deepEqual(await trace('flushed'), [occurrence]);
});

test('a duplicate of a cold message is told while it is in memory', async () => {
  await send(page('again'));
  await untilCold('again');
  const [first] = await trace('again');
  await send(page('again'), page('again', { properties: { other: true } }));
  const [, second, third] = await trace('again');
  const told = { state: 'duplicate', duplicateOf: first?.['sequence'] };
  assert.deepEqual({ ...second, ...told, differs: false }, second);
  assert.deepEqual({ ...third, ...told, differs: true }, third);
});

test('a rejected message is told for as long as its dead letter is kept', async () => {
  await send({ type: 'track', userId: 'ada', messageId: 'refused' }, page('taken'));
  await untilCold('taken');
  const [occurrence] = await trace('refused');
  assert.equal(occurrence?.['state'], 'rejected');
  assert.equal(occurrence?.['code'], 'TRIBUTARY_INGEST_FIELD_MISSING');
  assert.equal(occurrence?.['files'], undefined);
});

test('a message of an import is traced like any other, hot and cold', async () => {
  const url = `${appliance.url}/v1/import?format=ndjson&import_id=traced`;
  const lines = [page('imported'), { type: 'none', userId: 'ada', messageId: 'imported-wrong' }];
  const body = lines.map((line) => JSON.stringify(line)).join('\n');
  const headers = { Authorization: `Bearer ${WRITE_KEY}` };
  const response = await fetch(url, { method: 'POST', headers, body });
  assert.match(await response.text(), /"accepted":1/);
  assert.deepEqual(await statesOf('imported'), ['accepted']);
  assert.deepEqual(await statesOf('imported-wrong'), ['rejected']);
  await untilCold('imported');
  const [imported] = await trace('imported');
  const files = imported?.['files'] as string[];
  assert.equal(files.length, 1);
  assert.deepEqual(await statesOf('imported-wrong'), ['rejected']);
});

test('a message of somebody who was erased is nowhere, hot or cold', async () => {
  const of = (userId: string, messageId: string): object => ({ ...page(messageId), userId });
  await send(of('eve', 'cold-eve'), of('bob', 'cold-bob'));
  await untilCold('cold-eve');
  await send(of('eve', 'hot-eve'), of('bob', 'hot-bob'));
  const erasure = { identifier: { type: 'user_id', value: 'eve' } };
  const response = await fetch(`${appliance.url}/v1/erasures`, {
    method: 'POST',
    headers: admin,
    body: JSON.stringify(erasure),
  });
  assert.ok(response.ok);
  for (const messageId of ['cold-eve', 'hot-eve']) assert.deepEqual(await statesOf(messageId), []);
  for (const messageId of ['cold-bob', 'hot-bob']) {
    assert.deepEqual(await statesOf(messageId), ['accepted']);
  }
});
