/** The address that events get, from the request to the query, in the real process. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

const BEHIND_PROXY = ['--trusted-proxies', '127.0.0.0/8, fd00::/8'];

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start({ flags: BEHIND_PROXY });
});
after(() => appliance.remove());

async function send(messageId: string, forwardedFor?: string, context?: object): Promise<void> {
  const event = { type: 'page', userId: 'ada', messageId, context };
  const response = await fetch(`${appliance.url}/v1/batch`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${WRITE_KEY}`,
      ...(forwardedFor !== undefined && { 'X-Forwarded-For': forwardedFor }),
    },
    body: JSON.stringify({ batch: [event] }),
  });
  assert.equal(response.status, 200);
}

async function addresses(): Promise<Record<string, unknown>> {
  const { rows } = await appliance.sql("SELECT message_id, context->>'$.ip' FROM events");
  return Object.fromEntries(rows as [string, unknown][]);
}

test('events have the address of their sender, also after a kill, until it is to be left out', async () => {
  await send('plain');
  await send('forwarded', '192.0.2.1, 203.0.113.9, fd00::7');
  await send('version 6', '2001:db8::7');
  await send('named', '203.0.113.9', { ip: '198.51.100.4' });
  await send('direct', '203.0.113.9', { ip: '198.51.100.4', direct: true });
  const expected = {
    plain: '127.0.0.1',
    forwarded: '203.0.113.9',
    'version 6': '2001:db8::7',
    named: '198.51.100.4',
    direct: '203.0.113.9',
  };
  assert.deepEqual(await addresses(), expected);
  await appliance.kill();
  await appliance.restart([...BEHIND_PROXY, '--sender-addresses', 'omit']);
  assert.deepEqual(await addresses(), expected);
  await send('omitted', '203.0.113.9');
  assert.deepEqual(await addresses(), { ...expected, omitted: null });
  await appliance.stop();
  await appliance.restart([]);
  await send('not believed', '203.0.113.9');
  const all = { ...expected, omitted: null, 'not believed': '127.0.0.1' };
  assert.deepEqual(await addresses(), all);
});
