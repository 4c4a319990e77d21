import assert from 'node:assert/strict';
import { test } from 'node:test';
import jitsu from '@jitsu/js';
import { ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';
import { assertEachOnce, assertSender, assertTypes, DISK_ALWAYS_LOW } from './people.ts';

const { jitsuAnalytics } = jitsu as unknown as typeof import('@jitsu/js');
const CALLS = 50;
/** The SDK insists on two parts; ours is the first. */
const JITSU_KEY = `${WRITE_KEY}:any`;

for (const s2s of [true, false]) {
  test(`all calls of the Jitsu SDK are there, ${s2s ? 'from a server' : 'as from a device'}`, async (context) => {
    const appliance = await ApplianceProcess.start();
    context.after(() => appliance.remove());
    const options = { host: appliance.url, writeKey: JITSU_KEY, errorPolicy: 'rethrow' as const };
    const analytics = jitsuAnalytics({ ...options, s2s, fetch });
    await analytics.page({ name: 'Home', path: '/' });
    await analytics.identify('user-1', { email: 'user-1@example.com' });
    await analytics.group('company-1', { name: 'Company' });
    for (let index = 0; index < CALLS; index += 1) await analytics.track('Ordered', { index });
    await assertTypes(appliance, { group: 1, identify: 1, page: 1, track: CALLS });
    await assertEachOnce(appliance, 'Ordered', CALLS);
    const people = await appliance.sql('SELECT user_id FROM profiles WHERE user_id IS NOT NULL');
    assert.deepEqual(people.rows, [['user-1']]);
    await assertSender(appliance);
  });
}

test('an SDK that does not retry is told of a refusal, and only what was accepted is there', async (context) => {
  const appliance = await ApplianceProcess.start({ flags: ['--key-events-per-second-max', '2'] });
  context.after(() => appliance.remove());
  const refusals: string[] = [];
  const analytics = jitsuAnalytics({
    host: appliance.url,
    writeKey: JITSU_KEY,
    errorPolicy: (message: string) => refusals.push(message),
    s2s: true,
    fetch,
  });
  await analytics.identify('user-1');
  await analytics.track('Ordered', { index: 0 });
  // Two seconds' worth may come at once, and a call costs one event at least.
  for (let call = 0; call < 20 && refusals.length === 0; call += 1) await analytics.page();
  assert.match(refusals[0]!, /429 .*TRIBUTARY_INGEST_RATE_EXCEEDED/);
  await appliance.kill();
  await appliance.restart(DISK_ALWAYS_LOW);
  await analytics.track('Ordered', { index: 1 });
  assert.equal(refusals.length, 2);
  assert.match(refusals[1]!, /503 .*TRIBUTARY_INGEST_DISK_LOW/);
  await appliance.stop();
  await appliance.restart();
  await analytics.track('Ordered', { index: 2 });
  await assertEachOnce(appliance, 'Ordered', 2);
});
