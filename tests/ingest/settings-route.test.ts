import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';

let door: FrontDoor;
before(async () => {
  door = await openFrontDoor();
});
after(() => door.server.close());

test('the settings send the browser SDK to where they were loaded from', async () => {
  for (const root of ['/v1/projects/', '/projects/']) {
    const response = await fetch(`${door.url}${root}${WRITE_KEY}/settings`, {
      headers: { Origin: 'https://shop.example' },
    });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('access-control-allow-origin'), 'https://shop.example');
    assert.equal(response.headers.get('cache-control'), 'public, max-age=300');
    const apiHost = `127.0.0.1:${door.server.port}/v1`;
    assert.deepEqual(await response.json(), {
      integrations: { 'Segment.io': { apiKey: WRITE_KEY, apiHost, protocol: 'http' } },
      metrics: { sampleRate: 0 },
    });
  }
});

test('behind a proxy the settings name its address', async () => {
  const proxied = await openFrontDoor({ publicUrl: 'https://cdp.example.com/collect' });
  try {
    const response = await fetch(`${proxied.url}/v1/projects/${WRITE_KEY}/settings`);
    const { integrations } = (await response.json()) as { integrations: Record<string, object> };
    assert.deepEqual(integrations, {
      'Segment.io': {
        apiKey: WRITE_KEY,
        apiHost: 'cdp.example.com/collect/v1',
        protocol: 'https',
      },
    });
  } finally {
    proxied.server.close();
  }
});

test('an unknown key has no settings, and the answer is JSON', async () => {
  const response = await fetch(`${door.url}/v1/projects/nobody/settings`);
  assert.equal(response.status, 404);
  assert.equal(((await response.json()) as { success: boolean }).success, false);
});
