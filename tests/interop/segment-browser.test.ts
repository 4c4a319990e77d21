import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Browser, chromium, type Page } from 'playwright-core';
import { ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';
import {
  assertEachOnce,
  assertSender,
  assertTypes,
  DISK_ALWAYS_LOW,
  refusalsOf,
  retriesOf,
} from './people.ts';

const CHROMIUM = '/usr/bin/chromium';
const skip = existsSync(CHROMIUM)
  ? false
  : `${CHROMIUM} is absent: apt-get install chromium, to run the browser SDK`;

/** What the page has of the SDK; the rest of its interface is not used here. */
interface BrowserAnalytics {
  identify(userId: string, traits: object): Promise<unknown>;
  track(event: string, properties: object): Promise<unknown>;
  page(name: string): Promise<unknown>;
  screen(name: string): Promise<unknown>;
  group(groupId: string, traits: object): Promise<unknown>;
  alias(userId: string): Promise<unknown>;
}
declare const analytics: BrowserAnalytics;

const SDK = dirname(createRequire(import.meta.url).resolve('@segment/analytics-next/package.json'));

/** A shop's page with the SDK, served from an origin that is not the appliance's. */
async function serveShop(applianceUrl: string, sdkOptions: object): Promise<Server> {
  const html = `<!doctype html><title>Shop</title><script src="/umd/index.js"></script><script>
    const settings = { writeKey: '${WRITE_KEY}', cdnURL: '${applianceUrl}' };
    window.ready = AnalyticsNext.AnalyticsBrowser.load(settings, ${JSON.stringify(sdkOptions)}).then(([loaded]) => {
      window.analytics = loaded;
    });
  </script>`;
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://shop').pathname;
    if (path === '/') {
      response.setHeader('Content-Type', 'text/html');
      response.end(html);
    } else if (/^\/umd\/[\w.-]+\.js$/.test(path)) {
      response.setHeader('Content-Type', 'text/javascript');
      response.end(readFileSync(join(SDK, 'dist', path)));
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

interface Shop {
  readonly appliance: ApplianceProcess;
  readonly page: Page;
}

async function openShop(
  context: TestContext,
  flags: readonly string[] = [],
  sdkOptions: object = {},
): Promise<Shop> {
  const appliance = await ApplianceProcess.start({ flags });
  context.after(() => appliance.remove());
  const server = await serveShop(appliance.url, sdkOptions);
  context.after(() => server.close());
  const browser: Browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox'],
  });
  context.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await page.evaluate('window.ready');
  return { appliance, page };
}

/** Makes the page track `from` to `to`; the SDK keeps what it cannot deliver. */
async function track(page: Page, from: number, to: number): Promise<void> {
  await page.evaluate(
    ([first, end]) => {
      for (let index = first; index < end; index += 1) void analytics.track('Seen', { index });
    },
    [from, to] as const,
  );
}

async function untilStored(appliance: ApplianceProcess, count: number): Promise<void> {
  const statement = "SELECT count(DISTINCT message_id) FROM events WHERE event = 'Seen'";
  while ((await appliance.sql(statement)).rows[0]?.[0] !== count) await delay(100);
}

test('all calls of the browser SDK are there, from a page of another origin', {
  skip,
}, async (context) => {
  const { appliance, page } = await openShop(context);
  await page.evaluate(async () => {
    await analytics.page('Home');
    await analytics.screen('Start');
    await analytics.track('Seen', { index: 0 });
    await analytics.identify('user-1', { email: 'user-1@example.com' });
    await analytics.group('company-1', { name: 'Company' });
    await analytics.alias('user-1b'); // The SDK sends the current id as both: nothing to join.
    await analytics.track('Seen', { index: 1 });
  });
  await assertTypes(appliance, {
    alias: 1,
    group: 1,
    identify: 1,
    page: 1,
    screen: 1,
    track: 2,
  });
  await assertEachOnce(appliance, 'Seen', 2);
  const people = await appliance.sql('SELECT user_id, event_count FROM profiles');
  assert.deepEqual(people.rows, [['user-1', 7]]);
  await assertSender(appliance);
});

test('a page that is over the rate waits and delivers each call once', {
  skip,
}, async (context) => {
  const { appliance, page } = await openShop(context, ['--key-events-per-second-max', '10']);
  await track(page, 0, 40);
  await untilStored(appliance, 40);
  await assertEachOnce(appliance, 'Seen', 40);
  assert.ok((await refusalsOf(appliance)) > 0, 'the rate was met');
  assert.ok((await retriesOf(appliance)) > 0, 'a retry passes its preflight');
});

test('a page open during a kill, a full disk and a restart delivers each call once', {
  skip,
}, async (context) => {
  const { appliance, page } = await openShop(context);
  await track(page, 0, 20);
  await untilStored(appliance, 20);
  await track(page, 20, 40);
  await appliance.kill();
  await track(page, 40, 50);
  await appliance.restart(DISK_ALWAYS_LOW);
  await track(page, 50, 60);
  while ((await refusalsOf(appliance)) === 0) await delay(50);
  await appliance.stop();
  await appliance.restart();
  await untilStored(appliance, 60);
  await assertEachOnce(appliance, 'Seen', 60);
});

test('a page that batches delivers what it holds when it is left', { skip }, async (context) => {
  const deliveryStrategy = { strategy: 'batching', config: { size: 10, timeout: 60_000 } };
  const sdkOptions = { integrations: { 'Segment.io': { deliveryStrategy } } };
  const { appliance, page } = await openShop(context, [], sdkOptions);
  await track(page, 0, 25);
  await untilStored(appliance, 10); // The first full batch; the SDK holds the others for its timeout.
  await page.goto('about:blank');
  await untilStored(appliance, 25);
  await assertEachOnce(appliance, 'Seen', 25);
});
