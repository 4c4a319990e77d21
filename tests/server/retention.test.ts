/** A tenant's own retention, asked of the real process. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, ApplianceProcess } from '../support/appliance.ts';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start({ flags: ['--dead-letters-retention-days', '90'] });
});
after(() => appliance.remove());

async function ask(method: string, body?: object): Promise<[number, unknown]> {
  const response = await fetch(`${appliance.url}/v1/retention`, {
    method,
    headers: { Authorization: `Bearer ${ADMIN_KEY}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return [response.status, await response.json()];
}

test('a tenant has days of its own, which outlive a restart and go back to those of all', async () => {
  const common = { dead_letters: 90, warnings: 90 };
  assert.deepEqual(await ask('GET'), [200, { days: common, own: {} }]);
  const own = { events: 30, dead_letters: 0 };
  const answer = { days: { events: 30, warnings: 90 }, own };
  assert.deepEqual(await ask('PUT', own), [200, answer]);
  await appliance.stop();
  await appliance.restart();
  assert.deepEqual(await ask('GET'), [200, answer]);
  const back = { days: { ...common, events: 30 }, own: { events: 30 } };
  assert.deepEqual(await ask('PUT', { dead_letters: null }), [200, back]);
});

test('tables that others are made of, and what is no number of days, are refused', async () => {
  for (const body of [{ edges: 1 }, { events: -1 }, { events: 1.5 }, { events: 36_501 }]) {
    const [status] = await ask('PUT', body);
    assert.equal(status, 400, JSON.stringify(body));
  }
});
