import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type {
  EventTail,
  IdentityResolver,
  PublishedBatch,
  SqlExecutor,
} from '../../ingest/ports.ts';
import { parseRequest } from '../../ingest/stream-requests.ts';
import { StreamTail } from '../../ingest/stream-tail.ts';
import { ADMIN_KEY, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';
import { StreamClient } from '../support/stream-client.ts';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5) * 1000;

function published(events: readonly unknown[], more: Partial<PublishedBatch> = {}): PublishedBatch {
  return {
    source: { ordinal: 1, name: 'web' },
    json: Buffer.from(JSON.stringify({ batch: events })),
    receivedAtMicros: AT,
    firstSequence: 100,
    events: events.length,
    hidden: [],
    ...more,
  };
}

/** What an engine plugs in: one tenant, and people who listen. */
class Publisher implements EventTail {
  readonly listeners = new Set<(batch: PublishedBatch) => void>();

  tail(_tenantId: string, listener: (batch: PublishedBatch) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  publish(batch: PublishedBatch): void {
    for (const listener of this.listeners) listener(batch);
  }
}

const noSql: SqlExecutor = { execute: () => ({ cancel() {} }), forgetTexts() {} };

const people: IdentityResolver = {
  resolve(_tenantId, { type, value }) {
    if (type !== 'user_id') {
      throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason: `no ${type} here` });
    }
    return value === 'ada' ? 'profile-of-ada' : null;
  },
  resolveRequest: () => undefined,
};

async function withAppliance(
  run: (publisher: Publisher, open: (hello: object) => Promise<StreamClient>) => Promise<void>,
): Promise<void> {
  const { server, writer } = await openFrontDoor();
  const publisher = new Publisher();
  server.setState({
    phase: 'ready',
    writer: () => writer,
    sql: noSql,
    tail: publisher,
    identity: people,
  });
  try {
    await run(publisher, async (hello) => {
      const client = await StreamClient.open(server.port);
      client.sendText(JSON.stringify({ hello }));
      assert.ok('hello' in (await client.next()));
      return client;
    });
  } finally {
    server.close();
  }
}

const codeOf = (frame: Record<string, unknown>): string =>
  (frame['error'] as { code: string }).code;

test('a tail shows accepted events as they become visible, and no others', () =>
  withAppliance(async (publisher, open) => {
    const client = await open({ key: WRITE_KEY, admin_key: ADMIN_KEY });
    client.sendText('{"subscribe":"tail","id":1}');
    assert.deepEqual(await client.next(), { subscribed: 1 });
    const events = [{ userId: 'a' }, { userId: 'b' }, { userId: 'c' }];
    publisher.publish(published(events, { hidden: [1] }));
    const shown = { tail: 1, source: 'web', received_at: '2026-01-02T03:04:05Z' };
    assert.deepEqual(await client.next(), { ...shown, sequence: 100, event: { userId: 'a' } });
    assert.deepEqual(await client.next(), { ...shown, sequence: 102, event: { userId: 'c' } });

    client.sendText('{"unsubscribe":1}');
    assert.deepEqual(await client.next(), { unsubscribed: 1 });
    assert.equal(publisher.listeners.size, 0);
    client.sendBatch(9, [{ type: 'track', event: 'Seen', userId: 'u' }]);
    assert.equal((await client.next())['ack'], 9);
    client.destroy();
  }));

test('a tail ends with its connection', () =>
  withAppliance(async (publisher, open) => {
    const client = await open({ key: ADMIN_KEY });
    client.sendText('{"subscribe":"tail","id":1}');
    await client.next();
    client.destroy();
    while (publisher.listeners.size > 0) await delay(2);
  }));

test('a write key may not watch nor resolve, and an admin key may not write', () =>
  withAppliance(async (_publisher, open) => {
    const writer = await open({ key: WRITE_KEY });
    for (const question of ['{"subscribe":"tail","id":1}', '{"resolve":[],"id":1}']) {
      writer.sendText(question);
      const answer = await writer.next();
      assert.equal(answer['refused'], 1);
      assert.equal(codeOf(answer), 'TRIBUTARY_ACCESS_KEY_MISSING');
    }
    writer.destroy();
    const reader = await open({ key: ADMIN_KEY });
    reader.sendBatch(1, [{ type: 'track', event: 'Seen', userId: 'u' }]);
    assert.equal(await reader.closed, 1008);
  }));

test('a wrong admin key beside a good write key closes the stream', async () => {
  const { server } = await openFrontDoor();
  const client = await StreamClient.open(server.port);
  client.sendText(JSON.stringify({ hello: { key: WRITE_KEY, admin_key: 'no' } }));
  assert.equal(await client.closed, 1008);
  server.close();
});

test('an appliance without a tail and a resolver says so', async () => {
  const { server } = await openFrontDoor();
  const headers = { Authorization: `Bearer ${ADMIN_KEY}` };
  const client = await StreamClient.open(server.port, headers);
  await client.next();
  for (const question of ['{"subscribe":"tail","id":1}', '{"resolve":[],"id":1}']) {
    client.sendText(question);
    assert.equal(codeOf(await client.next()), 'TRIBUTARY_INGEST_REQUEST_INVALID');
  }
  server.close();
});

test('identifiers are resolved to profiles, in their order', () =>
  withAppliance(async (_publisher, open) => {
    const client = await open({ key: ADMIN_KEY });
    const [ada, nobody] = ['ada', 'nobody'].map((value) => ({ type: 'user_id', value }));
    client.sendText(JSON.stringify({ resolve: [nobody, ada], id: 5 }));
    assert.deepEqual(await client.next(), { resolved: [null, 'profile-of-ada'], id: 5 });
    client.sendText(JSON.stringify({ resolve: [{ type: 'shoe_size', value: '38' }], id: 6 }));
    const refused = await client.next();
    assert.equal(refused['refused'], 6);
    client.destroy();
  }));

test('there is a limit of tails for one connection', () =>
  withAppliance(async (publisher, open) => {
    const client = await open({ key: ADMIN_KEY });
    for (let id = 0; id < LIMITS.streamTailsMax; id += 1) {
      client.sendText(`{"subscribe":"tail","id":${id}}`);
      assert.deepEqual(await client.next(), { subscribed: id });
    }
    client.sendText('{"subscribe":"tail","id":99}');
    assert.equal(codeOf(await client.next()), 'TRIBUTARY_INGEST_TAILS_FULL');
    client.sendText('{"unsubscribe":1}');
    await client.next();
    client.sendText('{"subscribe":"tail","id":0}');
    assert.equal(codeOf(await client.next()), 'TRIBUTARY_INGEST_REQUEST_INVALID');
    assert.equal(publisher.listeners.size, LIMITS.streamTailsMax - 1);
    client.destroy();
  }));

test('there is a limit of tails for all connections', () =>
  withAppliance(async (publisher, open) => {
    const clients: StreamClient[] = [];
    for (let count = 0; count < LIMITS.tailsMax; count += 1) {
      const id = count % LIMITS.streamTailsMax;
      if (id === 0) clients.push(await open({ key: ADMIN_KEY }));
      clients.at(-1)!.sendText(`{"subscribe":"tail","id":${id}}`);
      assert.deepEqual(await clients.at(-1)!.next(), { subscribed: id });
    }
    const late = await open({ key: ADMIN_KEY });
    late.sendText('{"subscribe":"tail","id":1}');
    assert.equal(codeOf(await late.next()), 'TRIBUTARY_INGEST_TAILS_FULL');
    clients[0]!.destroy();
    while (publisher.listeners.size === LIMITS.tailsMax) await delay(2);
    late.sendText('{"subscribe":"tail","id":1}');
    assert.deepEqual(await late.next(), { subscribed: 1 });
    for (const client of [...clients, late]) client.destroy();
  }));

interface Watched {
  readonly tail: StreamTail;
  readonly frames: Record<string, unknown>[];
  readonly socket: { unreadBytes: number; send(frame: string): void };
  pass(ms: number): void;
}

function watch(filters: object = {}): Watched {
  let now = 0;
  const frames: Record<string, unknown>[] = [];
  const socket = {
    unreadBytes: 0,
    send: (frame: string): void => void frames.push(JSON.parse(frame)),
  };
  const clock = { nowMicros: () => now * 1000, monotonicMs: () => now };
  const request = parseRequest(Buffer.from(JSON.stringify({ subscribe: 'tail', id: 1, filters })));
  assert.ok(request.kind === 'subscribe');
  const tail = new StreamTail(1, request.filters, socket, clock);
  return {
    tail,
    frames,
    socket,
    pass: (ms) => {
      now += ms;
    },
  };
}

test('filters let through what agrees with all of them', () => {
  const { frames, tail } = watch({ type: ['track', 'page'], userId: '7', source: 'web' });
  tail.take(
    published([
      { type: 'track', userId: 7 },
      { type: 'page', userId: '7' },
      { type: 'identify', userId: '7' },
      { type: 'track', userId: '8' },
      { type: 'track' },
    ]),
  );
  assert.deepEqual(
    frames.map(({ sequence }) => sequence),
    [100, 101],
  );
  tail.take(published([{ type: 'track', userId: '7' }], { source: { ordinal: 2, name: 'app' } }));
  assert.equal(frames.length, 2);
  const json = Buffer.from('{"userId":"7"}');
  tail.take(published([{}], { json, typeOfPath: 'page' }));
  assert.deepEqual(frames.at(-1)?.['event'], { userId: '7', type: 'page' });
});

test('a client that does not read misses events, and is told how many', () => {
  const { frames, socket, tail } = watch();
  socket.unreadBytes = LIMITS.tailUnreadBytesMax + 1;
  tail.take(published([{}, {}, {}], { hidden: [0] }));
  tail.take(published([{}]));
  tail.settle();
  assert.deepEqual(frames, []);
  socket.unreadBytes = LIMITS.tailUnreadBytesMax;
  tail.settle();
  assert.deepEqual(frames, [{ tail: 1, gap: 3 }]);
  tail.take(published([{}]));
  assert.equal(frames.length, 2);
});

test('a tail looks at so many bytes in a second, and counts what it passes over', () => {
  const { frames, pass, tail } = watch();
  const large = { text: 'x'.repeat(LIMITS.tailBytesPerSecond) };
  tail.take(published([large]));
  assert.equal(frames.length, 1);
  tail.take(published([{}, {}]));
  assert.equal(frames.length, 1);
  pass(1000);
  tail.take(published([{}]));
  assert.deepEqual(frames[1], { tail: 1, gap: 2 });
  assert.equal(frames.length, 3);
});

test('requests that are none are malformed', () => {
  const identifiers = (count: number): unknown[] =>
    new Array(count).fill({ type: 'user_id', value: 'a' });
  const values = (count: number): string[] => new Array(count).fill('x');
  const kindOf = (request: unknown): string =>
    parseRequest(Buffer.from(JSON.stringify(request))).kind;
  const wrong = [
    null,
    [],
    {},
    { hello: {} },
    { hello: { key: 1 } },
    { hello: { key: 'k', admin_key: 2 } },
    { subscribe: 'all', id: 1 },
    { subscribe: 'tail' },
    { subscribe: 'tail', id: -1 },
    { subscribe: 'tail', id: 1, filters: [] },
    { subscribe: 'tail', id: 1, filters: { colour: 'red' } },
    { subscribe: 'tail', id: 1, filters: { type: [1] } },
    { subscribe: 'tail', id: 1, filters: { type: values(LIMITS.tailFilterValuesMax + 1) } },
    { unsubscribe: 'tail' },
    { resolve: [] },
    { resolve: [{ type: 'user_id' }], id: 1 },
    { resolve: identifiers(LIMITS.resolveIdentifiersMax + 1), id: 1 },
    { unsubscribe: 1, pad: 'x'.repeat(LIMITS.requestBytesMax) },
  ];
  for (const request of wrong) {
    assert.equal(kindOf(request), 'malformed', JSON.stringify(request).slice(0, 80));
  }
  const filters = { type: values(LIMITS.tailFilterValuesMax) };
  assert.equal(kindOf({ subscribe: 'tail', id: 1, filters }), 'subscribe');
  const resolve = identifiers(LIMITS.resolveIdentifiersMax);
  assert.equal(kindOf({ resolve, id: 1 }), 'resolve');
});
