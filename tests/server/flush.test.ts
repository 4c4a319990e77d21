/** The real appliance while it flushes, with producers and analysts at work. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, ApplianceProcess } from '../support/appliance.ts';

const FLUSHES = 3;
const BATCH_EVENTS = 100;
const NUMBER = "(properties->>'$.number')::BIGINT";

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start({ flags: ['--flush-age-seconds', '1'] });
});
after(() => appliance.remove());

function batch(first: number): object {
  const events = Array.from({ length: BATCH_EVENTS }, (_, index) => ({
    type: 'track',
    event: 'Counted',
    userId: `user-${(first + index) % 37}`,
    properties: { number: first + index },
    messageId: `m-${first + index}`,
  }));
  return { batch: events };
}

async function metric(name: string): Promise<number> {
  const response = await fetch(`${appliance.url}/metrics`, {
    headers: { Authorization: `Bearer ${ADMIN_KEY}` },
  });
  const line = (await response.text()).split('\n').find((text) => text.startsWith(`${name} `));
  return Number(line?.split(' ')[1]);
}

const filesOf = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /events-.*\.parquet$/.test(name),
  );

test('while rows are flushed every query sees an exact prefix of what was sent', async () => {
  let sent = 0;
  let acknowledged = 0;
  let done = false;
  const ingest = (async () => {
    while ((await metric('tributary_flush_flushes_total')) < FLUSHES) {
      sent += BATCH_EVENTS;
      const response = await appliance.send('/v1/batch', batch(acknowledged));
      assert.equal(response.status, 200);
      acknowledged += BATCH_EVENTS;
    }
    done = true;
  })();
  let queries = 0;
  while (!done) {
    const least = acknowledged;
    const { rows } = await appliance.sql(
      `SELECT count(*)::INTEGER, sum(${NUMBER})::BIGINT, count(DISTINCT sequence)::INTEGER,
         max(${NUMBER})::INTEGER FROM events`,
    );
    const [count, sum, distinct, greatest] = rows[0] as number[];
    if (count === 0) continue;
    assert.ok(count! >= least && count! <= sent, `${least} <= ${count} <= ${sent}`);
    assert.deepEqual([sum, distinct, greatest], [(count! * (count! - 1)) / 2, count, count! - 1]);
    queries += 1;
  }
  await ingest;
  assert.ok(queries > 3, `${queries} queries`);
  assert.ok(filesOf(join(appliance.directory, 'lake')).length >= FLUSHES);
});

test('after a kill the flushed rows come from the lake and the others from the log', async () => {
  const count = 'SELECT count(*)::INTEGER, count(DISTINCT message_id)::INTEGER FROM events';
  const profiles = 'SELECT count(*)::INTEGER, sum(event_count)::INTEGER FROM profiles';
  const state = async () => [
    (await appliance.sql(count)).rows,
    (await appliance.sql(profiles)).rows,
  ];
  const before = await state();
  await appliance.kill();
  await appliance.restart();
  assert.deepEqual(await state(), before);
  await appliance.send('/v1/batch', batch(0));
  assert.deepEqual(await state(), before, 'duplicates of flushed rows are found');
});
