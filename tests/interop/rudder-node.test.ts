import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import RudderAnalytics from '@rudderstack/rudder-sdk-node';
import { ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';
import {
  assertEachOnce,
  assertSender,
  assertTypes,
  DISK_ALWAYS_LOW,
  refusalsOf,
} from './people.ts';

const PEOPLE = 100;

function connect(appliance: ApplianceProcess): RudderAnalytics {
  return new RudderAnalytics(WRITE_KEY, {
    dataPlaneUrl: appliance.url,
    flushAt: 50,
    flushInterval: 60_000,
    retryCount: 8,
    logLevel: 'fatal',
  });
}

/** Resolves when one call was delivered; rejects when the SDK gives it up. */
function delivered(call: (callback: () => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    // The declaration leaves out that a callback is told of an error.
    call((error?: unknown) => (error === undefined ? resolve() : reject(error)));
  });
}

async function sendAll(rudder: RudderAnalytics, from: number, to: number): Promise<void> {
  const calls = Array.from({ length: to - from }, (_, offset) => {
    const call = { userId: 'u1', event: 'Kept', properties: { index: from + offset } };
    return delivered((callback) => rudder.track(call, callback));
  });
  await rudder.flush();
  await Promise.all(calls);
}

test('all calls of the RudderStack SDK are there, gzipped as a form as it sends them', async (context) => {
  const appliance = await ApplianceProcess.start();
  context.after(() => appliance.remove());
  const rudder = connect(appliance);
  const calls: Promise<void>[] = [];
  for (let person = 0; person < PEOPLE; person += 1) {
    const userId = `user-${person}`;
    const anonymousId = `visitor-${person}`;
    const properties = { index: person };
    const traits = { email: `${userId}@example.com` };
    calls.push(
      delivered((callback) => rudder.page({ anonymousId, name: 'Home' }, callback)),
      delivered((callback) => rudder.screen({ anonymousId, name: 'Start' }, callback)),
      delivered((callback) => rudder.alias({ userId, previousId: anonymousId }, callback)),
      delivered((callback) => rudder.identify({ userId, traits }, callback)),
      delivered((callback) => rudder.group({ userId, groupId: 'company-1' }, callback)),
      delivered((callback) => rudder.track({ userId, event: 'Ordered', properties }, callback)),
    );
  }
  await rudder.flush();
  await Promise.all(calls);
  await assertTypes(appliance, {
    alias: PEOPLE,
    group: PEOPLE,
    identify: PEOPLE,
    page: PEOPLE,
    screen: PEOPLE,
    track: PEOPLE,
  });
  await assertEachOnce(appliance, 'Ordered', PEOPLE);
  const people = await appliance.sql(
    'SELECT count(*), min(event_count), max(event_count) FROM profiles',
  );
  assert.deepEqual(people.rows, [[PEOPLE, 6, 6]]);
  await assertSender(appliance);
});

test('a time that the caller set is kept, as old as it may be', async (context) => {
  const appliance = await ApplianceProcess.start();
  context.after(() => appliance.remove());
  const rudder = connect(appliance);
  const timestamp = new Date('2019-05-06T07:08:09.123Z');
  await delivered((callback) => {
    rudder.track({ userId: 'u1', event: 'Imported', timestamp }, callback);
  });
  const { rows } = await appliance.sql('SELECT epoch_ms("timestamp") FROM events');
  assert.deepEqual(
    rows.map((row) => Number(row[0])),
    [timestamp.getTime()],
  );
});

test('calls beyond the rate, during a kill and a full disk are retried, and each arrives once', async (context) => {
  const appliance = await ApplianceProcess.start({ flags: ['--key-events-per-second-max', '100'] });
  context.after(() => appliance.remove());
  const rudder = connect(appliance);
  await sendAll(rudder, 0, 300);
  await sendAll(rudder, 300, 400);
  assert.ok((await refusalsOf(appliance)) > 0, 'the rate was met');
  const during = sendAll(rudder, 400, 500);
  await appliance.kill();
  await appliance.restart(DISK_ALWAYS_LOW);
  await delay(500);
  await appliance.stop();
  await appliance.restart();
  await during;
  await assertEachOnce(appliance, 'Kept', 500);
});
