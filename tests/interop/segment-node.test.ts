import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Analytics } from '@segment/analytics-node';
import { ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';
import { assertSender } from './people.ts';

const PEOPLE = 500;
const CALLS_PER_PERSON = 20;
const OTHER_CALLS = 5;

/** The calls of one person: a visitor who becomes a user. */
function callsOf(analytics: Analytics, person: number): void {
  const userId = `user-${person}`;
  const anonymousId = `visitor-${person}`;
  analytics.page({ anonymousId, name: 'Home', properties: { path: '/' } });
  analytics.screen({ anonymousId, name: 'Start' });
  analytics.track({ anonymousId, event: 'Product Viewed', properties: { sku: 'é-1', price: 9.5 } });
  analytics.alias({ userId, previousId: anonymousId });
  analytics.identify({ userId, traits: { email: `${userId}@example.com`, plan: 'pro' } });
  analytics.group({ userId, groupId: `company-${person % 7}`, traits: { name: 'Company' } });
  for (let call = 6; call < CALLS_PER_PERSON; call += 1) {
    analytics.track({ userId, event: 'Order Completed', properties: { revenue: call } });
  }
}

test('10,000 calls of the real SDK are all there after its flush, and each person once', async (context) => {
  const appliance = await ApplianceProcess.start();
  context.after(() => appliance.remove());
  const analytics = new Analytics({
    writeKey: WRITE_KEY,
    host: appliance.url,
    maxEventsInBatch: 100,
  });
  const failures: unknown[] = [];
  analytics.on('error', (error) => failures.push(error));
  for (let person = 0; person < PEOPLE; person += 1) callsOf(analytics, person);
  await analytics.closeAndFlush();
  assert.deepEqual(failures, []);

  const counts = await appliance.sql(
    'SELECT type, count(*) FROM events GROUP BY type ORDER BY type',
  );
  assert.deepEqual(counts.rows, [
    ['alias', PEOPLE],
    ['group', PEOPLE],
    ['identify', PEOPLE],
    ['page', PEOPLE],
    ['screen', PEOPLE],
    ['track', PEOPLE * (CALLS_PER_PERSON - OTHER_CALLS)],
  ]);
  const people = await appliance.sql(
    `SELECT count(*), count(DISTINCT user_id), min(event_count), max(event_count) FROM profiles`,
  );
  assert.deepEqual(people.rows, [[PEOPLE, PEOPLE, CALLS_PER_PERSON, CALLS_PER_PERSON]]);
  const orders = await appliance.sql(
    `SELECT sum((properties->>'$.revenue')::INTEGER)::BIGINT FROM events
     WHERE event = 'Order Completed' AND user_id = $1`,
    ['user-3'],
  );
  assert.deepEqual(orders.rows, [[175]]);
  await assertSender(appliance);
});
