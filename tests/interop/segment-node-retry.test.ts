import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Analytics } from '@segment/analytics-node';
import { ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';
import { assertEachOnce, DISK_ALWAYS_LOW, retriesOf } from './people.ts';

function connect(appliance: ApplianceProcess): { analytics: Analytics; failures: unknown[] } {
  const analytics = new Analytics({
    writeKey: WRITE_KEY,
    host: appliance.url,
    maxEventsInBatch: 50,
    flushInterval: 50,
  });
  const failures: unknown[] = [];
  analytics.on('error', (error) => failures.push(error));
  return { analytics, failures };
}

/** Resolves when the SDK has given up or delivered each event. */
function track(analytics: Analytics, event: string, from: number, to: number): Promise<unknown> {
  const indexes = Array.from({ length: to - from }, (_, offset) => from + offset);
  return Promise.all(
    indexes.map(
      (index) =>
        new Promise<void>((resolve) => {
          analytics.track({ userId: 'u1', event, properties: { index } }, () => resolve());
        }),
    ),
  );
}

test('calls beyond the rate wait as Retry-After says, and each arrives once', async (context) => {
  const appliance = await ApplianceProcess.start({ flags: ['--key-events-per-second-max', '250'] });
  context.after(() => appliance.remove());
  const { analytics, failures } = connect(appliance);
  await track(analytics, 'Limited', 0, 800);
  await track(analytics, 'Limited', 800, 1000);
  await analytics.closeAndFlush();
  assert.deepEqual(failures, []);
  await assertEachOnce(appliance, 'Limited', 1000);
  assert.ok((await retriesOf(appliance)) > 0, 'the rate was met');
});

test('calls during a kill, a full disk and a restart are retried, and each arrives once', async (context) => {
  const appliance = await ApplianceProcess.start();
  context.after(() => appliance.remove());
  const { analytics, failures } = connect(appliance);
  await track(analytics, 'Kept', 0, 200);
  const during = track(analytics, 'Kept', 200, 600);
  await appliance.kill();
  await appliance.restart(DISK_ALWAYS_LOW);
  const refused = track(analytics, 'Kept', 600, 700);
  while ((await retriesOf(appliance)) === 0) await delay(20);
  await appliance.stop();
  await appliance.restart();
  await Promise.all([during, refused]);
  await analytics.closeAndFlush();
  assert.deepEqual(failures, []);
  await assertEachOnce(appliance, 'Kept', 700);
});
