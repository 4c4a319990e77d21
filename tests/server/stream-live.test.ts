import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';
import { StreamClient } from '../support/stream-client.ts';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start();
});
after(() => appliance.remove());

async function open(): Promise<StreamClient> {
  const client = await StreamClient.open(appliance.port);
  client.sendText(JSON.stringify({ hello: { key: WRITE_KEY, admin_key: ADMIN_KEY } }));
  await client.next();
  return client;
}

test('a tail shows what was accepted over HTTP, and neither duplicates nor rejected events', async () => {
  const client = await open();
  client.sendText('{"subscribe":"tail","id":1,"filters":{"event":"Viewed"}}');
  assert.deepEqual(await client.next(), { subscribed: 1 });
  const viewed = { type: 'track', event: 'Viewed', userId: 'ada' };
  const batch = [
    { ...viewed, messageId: 'm-1' },
    { ...viewed, messageId: 'm-1' },
    { ...viewed, userId: 7.5, timestamp: 'never', messageId: 'm-2' },
    { type: 'track', event: 'Left', userId: 'ada', messageId: 'm-3' },
    { ...viewed, messageId: 'm-4' },
  ];
  const response = await appliance.send('/v1/batch', { batch });
  assert.equal(response.status, 200);
  const shown = [await client.next(), await client.next()];
  const { rows } = await appliance.sql(
    "SELECT message_id, sequence::INTEGER FROM events WHERE event = 'Viewed' ORDER BY sequence",
  );
  assert.deepEqual(
    shown.map(({ event, sequence }) => [(event as { messageId: string }).messageId, sequence]),
    rows,
  );
  client.destroy();
});

test('identifiers are resolved to the profiles that SQL knows', async () => {
  const client = await open();
  const identify = { type: 'identify', userId: 'grace', anonymousId: 'device-1' };
  assert.equal((await appliance.send('/v1/batch', { batch: [identify] })).status, 200);
  const identifiers = [
    { type: 'user_id', value: 'grace' },
    { type: 'anonymous_id', value: 'device-1' },
    { type: 'user_id', value: 'nobody' },
  ];
  client.sendText(JSON.stringify({ resolve: identifiers, id: 3 }));
  const { id, resolved } = (await client.next()) as { id: number; resolved: unknown[] };
  const { rows } = await appliance.sql(
    "SELECT profile_id::VARCHAR FROM events WHERE user_id = 'grace'",
  );
  const [profile] = rows[0]!;
  assert.deepEqual([id, resolved], [3, [profile, profile, null]]);

  client.sendText('{"resolve":[{"type":"shoe_size","value":"38"}],"id":4}');
  assert.equal((await client.next())['refused'], 4);
  client.destroy();
});
