/** The commands backup, restore and verify beside the real appliance, and the answers before and after. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ApplianceProcess } from '../support/appliance.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/tributary.js', import.meta.url));
const BATCH_EVENTS = 100;
const QUERIES = [
  'SELECT count(*)::INTEGER, sum(sequence)::VARCHAR FROM events',
  'SELECT event, count(*)::INTEGER FROM events GROUP BY ALL ORDER BY ALL',
  'SELECT user_id, min(timestamp), max(received_at) FROM events GROUP BY ALL ORDER BY ALL',
  "SELECT properties->>'$.plan', sum((properties->>'$.seats')::INTEGER)::INTEGER FROM events GROUP BY ALL ORDER BY ALL",
  'SELECT message_id, properties, context FROM events ORDER BY sequence DESC LIMIT 20',
  'SELECT count(DISTINCT anchor)::INTEGER, count(DISTINCT anonymous_id)::INTEGER FROM events',
  'SELECT * FROM profiles ORDER BY ALL LIMIT 50',
  'SELECT count(*)::INTEGER, sum(event_count)::INTEGER FROM profiles',
  'SELECT code, path, message_id, payload FROM dead_letters ORDER BY ALL',
  'SELECT * FROM warnings ORDER BY ALL',
];

let appliance: ApplianceProcess;
const backups = mkdtempSync(join(tmpdir(), 'tributary-backups-'));
before(async () => {
  appliance = await ApplianceProcess.start({ flags: ['--flush-age-seconds', '1'] });
});
after(async () => {
  await appliance.remove();
  rmSync(backups, { recursive: true });
});

interface Run {
  readonly code: number | null;
  readonly output: string;
}

function run(...args: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: {} });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      output += bytes.toString('utf8');
    });
  }
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

async function sendBatch(first: number): Promise<void> {
  const batch: object[] = Array.from({ length: BATCH_EVENTS }, (_, index) => ({
    type: 'track',
    event: ['Viewed', 'Größe', 'Order Completed'][(first + index) % 3],
    userId: `user-${(first + index) % 37}`,
    ...((first + index) % 3 === 0 && { anonymousId: `device-${(first + index) % 60}` }),
    properties: { plan: first % 2 === 0 ? 'free' : 'pro', seats: index % 7 },
    messageId: `m-${first + index}`,
  }));
  batch.push({ type: 'unheard of', messageId: `rejected-${first}` });
  const response = await appliance.send('/v1/batch', { batch });
  assert.equal(response.status, 200);
}

const answers = async () =>
  Promise.all(QUERIES.map(async (sql) => (await appliance.sql(sql)).rows));

async function untilFlushed(): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    const text = await (await fetch(`${appliance.url}/metrics`)).text();
    if (Number(/^tributary_flush_flushes_total (\d+)/m.exec(text)?.[1]) > 0) return;
    await delay(50);
  }
  assert.fail('nothing was flushed in time');
}

function destroy(): void {
  for (const name of readdirSync(appliance.directory)) {
    rmSync(join(appliance.directory, name), { recursive: true });
  }
}

test('a backup of a serving appliance, restored where all was lost, answers the same', async () => {
  for (let batch = 0; batch < 5; batch += 1) await sendBatch(batch * BATCH_EVENTS);
  await untilFlushed();
  for (let batch = 5; batch < 10; batch += 1) await sendBatch(batch * BATCH_EVENTS);
  const expected = await answers();
  const place = ['--data-dir', appliance.directory];
  const [first, serving] = [
    await run('backup', '--to', backups, ...place),
    await run('verify', ...place),
  ];
  assert.equal(first.code, 0, first.output);
  assert.equal(serving.code, 0, serving.output);
  const occupied = await run('restore', '--from', backups, '--to', appliance.directory);
  assert.match(occupied.output, /TRIBUTARY_STORAGE_RESTORE_OCCUPIED/);

  await appliance.kill();
  destroy();
  const restored = await run('restore', '--from', backups, '--to', appliance.directory);
  assert.equal(restored.code, 0, restored.output);
  const offline = await run('verify', ...place);
  assert.match(offline.output, / [1-9]\d* files, [1-9]\d* bytes read, 0 findings$/m);
  await appliance.restart();
  assert.deepEqual(await answers(), expected);
  await sendBatch(0);
  const [[count]] = (await appliance.sql('SELECT count(*)::INTEGER FROM events'))
    .rows as number[][];
  assert.equal(count, 10 * BATCH_EVENTS, 'what is sent again is known');
});

test('a backup taken under load has every event acknowledged before it', async () => {
  let acknowledged = 10 * BATCH_EVENTS;
  let done = false;
  const load = (async () => {
    while (!done) {
      await sendBatch(acknowledged);
      acknowledged += BATCH_EVENTS;
    }
  })();
  await delay(100);
  const least = acknowledged;
  const place = ['--data-dir', appliance.directory];
  const made = await run('backup', '--to', backups, '--keep', '1', ...place);
  const verified = await run('verify', ...place);
  done = true;
  await load;
  assert.equal(made.code, 0, made.output);
  assert.match(made.output, /^1 older backups removed$/m);
  assert.equal(verified.code, 0, verified.output);
  assert.match((await run('backup', 'list', backups)).output, /^\d{8}T\d{9}Z {2}\d+ files, .*\n$/);
  assert.equal((await run('backup', 'verify', backups)).code, 0);

  await appliance.kill();
  destroy();
  await run('restore', '--from', backups, '--to', appliance.directory);
  await appliance.restart();
  const { rows } = await appliance.sql(
    'SELECT count(*)::INTEGER, count(DISTINCT message_id)::INTEGER FROM events',
  );
  const [count, distinct] = rows[0] as number[];
  assert.ok(count! >= least && count! <= acknowledged, `${least} <= ${count} <= ${acknowledged}`);
  assert.equal(distinct, count);
});

test('verify exits with 1 and names the file when a byte of the log is another', async () => {
  await appliance.stop();
  const [tenant] = readdirSync(join(appliance.directory, 'tenants'));
  const wal = join(appliance.directory, 'tenants', tenant!, 'wal');
  const path = join(wal, readdirSync(wal).sort()[0]!);
  const bytes = readFileSync(path);
  const middle = 4096 + 200;
  bytes[middle] = bytes[middle]! ^ 1;
  writeFileSync(path, bytes);
  const { code, output } = await run('verify', '--data-dir', appliance.directory);
  assert.equal(code, 1);
  assert.match(output, /wal: The log is damaged in wal-\d{16} at byte \d+/);
});

test('tenants without a control file are not taken for a new appliance', async () => {
  rmSync(join(appliance.directory, 'control.json'));
  await assert.rejects(appliance.restart(), /TRIBUTARY_CONFIG_CONTROL_MALFORMED/);
});
