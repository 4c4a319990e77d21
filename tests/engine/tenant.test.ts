import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { Packr } from 'msgpackr';
import type { TributaryError } from '../../base/errors.ts';
import { HOUR_MICROS, MIB } from '../../base/units.ts';
import type { ApplianceConfiguration } from '../../engine/tenant-configuration.ts';
import type { BatchOutcome, Codec, PublishedBatch } from '../../engine/types.ts';
import { parseIpAddress } from '../../ingest/ip-address.ts';
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import { atomicReplace, readFile } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { NOW, TENANT_ID, TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { temporaryHotDirectory } from '../support/hot-fixture.ts';
import { readRows } from '../support/read-rows.ts';
import { setWalVersion } from '../support/wal-version.ts';

const open = (context: TestContext): Promise<TestEngine> =>
  TestEngine.open(context, new MemoryFileSystem());

const track = (messageId: string, more: TestEvent = {}): TestEvent => ({
  type: 'track',
  event: 'Seen',
  userId: 'ann',
  messageId,
  ...more,
});

const visibleIds = (engine: TestEngine): unknown[] =>
  engine
    .rows()
    .filter((row) => !row.hidden)
    .map((row) => row['message_id']);

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'accepted';
  } catch (error) {
    return (error as TributaryError).code;
  }
};

test('a batch is acknowledged with what became of each event', async (context) => {
  const engine = await open(context);
  const outcome = await engine.send([track('a'), track('a'), { type: 'track', userId: 'ann' }]);
  assert.deepEqual(outcome, {
    received: 3,
    accepted: 1,
    duplicates: 1,
    rejected: [
      { index: 2, code: 'TRIBUTARY_INGEST_FIELD_MISSING', path: 'event', messageId: null },
    ],
    lastSequence: 3,
  });
  assert.equal(engine.tenant.hot.events.publishedRows, 3);
});

test('a message sent twice counts once, within a batch, across batches and after a restart', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const first = await TestEngine.open(context, fileSystem);
  await first.send([track('a'), track('b')]);
  await first.send([track('b'), track('c'), track('c')]);
  assert.deepEqual(visibleIds(first), ['a', 'b', 'c']);
  await first.engine.close();
  const second = await TestEngine.open(context, fileSystem);
  assert.equal((await second.send([track('a'), track('d')])).duplicates, 1);
  assert.deepEqual(visibleIds(second), ['a', 'b', 'c', 'd']);
});

test('a message sent again after the window is a new event', async (context) => {
  const engine = await open(context);
  await engine.send([track('a')], NOW);
  assert.equal((await engine.send([track('a')], NOW + 24 * HOUR_MICROS)).duplicates, 1);
  assert.equal((await engine.send([track('a')], NOW + 33 * HOUR_MICROS)).duplicates, 0);
});

test('a window that was changed is logged, and replay decides as the live tenant did', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const hours = (count: number): { configuration: ApplianceConfiguration } => ({
    configuration: { dedupeWindowMicros: count * HOUR_MICROS },
  });
  const day = await TestEngine.open(context, fileSystem, hours(24));
  assert.equal(day.tenant.walStatistics.records, 0, 'the initial window needs no record');
  await day.send([track('a')], NOW);
  assert.equal((await day.send([track('a')], NOW + 33 * HOUR_MICROS)).duplicates, 0);
  await day.engine.close();

  const week = await TestEngine.open(context, fileSystem, hours(7 * 24));
  assert.equal(week.tenant.walStatistics.records, 1);
  await week.send([track('b')], NOW + 34 * HOUR_MICROS);
  assert.equal(
    (await week.send([track('b')], NOW + 34 * HOUR_MICROS + 7 * 24 * HOUR_MICROS)).duplicates,
    1,
  );
  const rows = week.rows();
  await week.engine.close();

  const again = await TestEngine.open(context, fileSystem, hours(7 * 24));
  assert.deepEqual(again.rows(), rows);
  assert.equal(again.tenant.walStatistics.records, 0);
});

test('events without a messageId are given one each and are never duplicates', async (context) => {
  const engine = await open(context);
  const event = { type: 'page', userId: 'ann' };
  assert.equal((await engine.send([event, event])).accepted, 2);
  assert.deepEqual(visibleIds(engine), ['seq-1', 'seq-2']);
});

test('msgpack, with and without records, stores what JSON would', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const engine = await TestEngine.open(context, fileSystem);
  const batch = (prefix: string): object => ({
    batch: [
      track(`${prefix}1`, { properties: { price: 1.5, tags: ['é', null], at: new Date(0) } }),
      track(`${prefix}2`, { properties: { big: 2n ** 60n } }),
    ],
  });
  for (const useRecords of [true, false]) {
    const packr = new Packr({ useRecords });
    await engine.sendBytes(packr.pack(batch(`r${useRecords}`)), 'msgpack');
    await engine.sendBytes(packr.pack(batch(`s${useRecords}`)), 'msgpack');
  }
  const properties = engine.rows().map((row) => row['properties']);
  assert.equal(properties.length, 8);
  for (let index = 0; index < 8; index += 2) {
    assert.equal(
      properties[index],
      '{"price":1.5,"tags":["é",null],"at":"1970-01-01T00:00:00.000Z"}',
    );
    assert.equal(properties[index + 1], '{"big":"1152921504606846976"}');
  }
  const rows = engine.rows();
  await engine.engine.close();
  assert.deepEqual((await TestEngine.open(context, fileSystem)).rows(), rows);
  const malformed = engine.sendBytes(Uint8Array.of(0x92, 0x01), 'msgpack');
  assert.equal(await codeOf(malformed), 'TRIBUTARY_ENGINE_CLOSED');
});

test('bytes that are no batch are refused, logged nowhere, and do no harm', async (context) => {
  const engine = await open(context);
  const send = (text: string): Promise<string> => codeOf(engine.sendBytes(Buffer.from(text)));
  assert.equal(await send('{"batch":['), 'TRIBUTARY_INGEST_JSON_MALFORMED');
  assert.equal(
    await codeOf(engine.sendBytes(Uint8Array.of(0x92, 0x01), 'msgpack')),
    'TRIBUTARY_INGEST_MSGPACK_MALFORMED',
  );
  await engine.send([track('a')]);
  assert.deepEqual(visibleIds(engine), ['a']);
  assert.equal(engine.rows()[0]!['sequence'], 1n);
  assert.equal(engine.tenant.walStatistics.records, 1);
});

test('what was rejected or altered is kept, and comes back after a restart', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const engine = await TestEngine.open(context, fileSystem);
  const tomorrow = new Date(NOW / 1000 + 25 * 3_600_000).toISOString();
  await engine.send([
    track('a', { properties: { price: 1 } }),
    { type: 'track', messageId: 'bad', writeKey: 'secret', userId: { no: 'object' } },
    'not an event' as unknown as TestEvent,
    track('late', { timestamp: tomorrow }),
    track('a', { properties: { price: 1 }, context: { attempt: 2 }, sentAt: tomorrow }),
    track('a', { properties: { price: 2 } }),
  ]);
  const kept = (test: TestEngine): unknown => [
    test.tenant.hot.deadLetters.segments
      .flatMap((segment) => readRows(segment))
      .map((row) => [row['sequence'], row['code'], row['path'], row['message_id'], row['payload']]),
    test.tenant.hot.warnings.segments
      .flatMap((segment) => readRows(segment))
      .map((row) => [row['sequence'], row['code'], row['path'], row['message_id']]),
  ];
  const expected = [
    [
      [
        2n,
        'TRIBUTARY_INGEST_FIELD_TYPE',
        'userId',
        'bad',
        '{"type":"track","messageId":"bad","writeKey":"","userId":{"no":"object"}}',
      ],
      [3n, 'TRIBUTARY_INGEST_EVENT_NOT_OBJECT', '', null, '"not an event"'],
    ],
    [
      [4n, 'timestamp_in_future', 'timestamp', 'late'],
      [6n, 'duplicate_differs', '', 'a'],
    ],
  ];
  assert.deepEqual(kept(engine), expected);
  await engine.engine.close();
  assert.deepEqual(kept(await TestEngine.open(context, fileSystem)), expected);
});

test('an empty batch is answered and not logged', async (context) => {
  const engine = await open(context);
  assert.equal((await engine.send([])).received, 0);
  assert.equal(engine.tenant.walStatistics.records, 0);
});

test('the type of the path survives a restart', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const engine = await TestEngine.open(context, fileSystem);
  await engine.sendBytes(Buffer.from('{"userId":"ann"}'), 'json', NOW, 'screen');
  const rows = engine.rows();
  assert.equal(rows[0]!['type'], 'screen');
  await engine.engine.close();
  assert.deepEqual((await TestEngine.open(context, fileSystem)).rows(), rows);
});

test('the address of the sender survives a restart, and is none of a retry', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const first = await TestEngine.open(context, fileSystem);
  const packr = new Packr({ useRecords: false });
  const [home, road] = [parseIpAddress('203.0.113.9')!, parseIpAddress('2001:db8::1')!];
  const send = (codec: Codec, event: TestEvent, sender?: Uint8Array): Promise<BatchOutcome> => {
    const bytes = codec === 'json' ? Buffer.from(JSON.stringify(event)) : packr.pack(event);
    const sending = first.sendBytes(bytes, codec, NOW, undefined, sender);
    sender?.fill(0); // It was read.
    return sending;
  };
  await send('json', track('a'), home.slice());
  await send('msgpack', track('b', { context: { ip: '192.0.2.1', direct: true } }), road.slice());
  await send('json', track('c'));
  await send('json', { type: 'track', userId: 'ann', messageId: 'no-name' }, home.slice());
  const retry = await send('json', track('a'), road.slice());
  assert.equal(retry.duplicates, 1);
  const rows = first.rows();
  assert.deepEqual(
    rows.map((row) => row['context']),
    [
      '{"ip":"203.0.113.9"}',
      '{"ip":"2001:db8::1","direct":true}',
      null,
      null,
      '{"ip":"2001:db8::1"}',
    ],
  );
  assert.deepEqual(
    first.tenant.hot.warnings.segments.flatMap((segment) => readRows(segment)),
    [],
  );
  await first.engine.close();
  const second = await TestEngine.open(context, fileSystem);
  assert.deepEqual(second.rows(), rows);
});

test('a log of version 1 is read, and goes on as version 2', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const first = await TestEngine.open(context, fileSystem);
  await first.send([track('a'), track('b')]);
  await first.engine.close();
  const directory = `/data/tenants/${TENANT_ID}/wal`;
  const path = `${directory}/${(await fileSystem.list(directory))[0]}`;
  const file = await readFile(fileSystem, path);
  setWalVersion(file, 1);
  await atomicReplace(fileSystem, path, file);
  const second = await TestEngine.open(context, fileSystem);
  const sender = parseIpAddress('203.0.113.9')!;
  await second.sendBytes(Buffer.from(JSON.stringify(track('c'))), 'json', NOW, undefined, sender);
  await second.engine.close();
  const third = await TestEngine.open(context, fileSystem);
  assert.deepEqual(
    third.rows().map((row) => [row['message_id'], row['context']]),
    [
      ['a', null],
      ['b', null],
      ['c', '{"ip":"203.0.113.9"}'],
    ],
  );
});

test('a batch that finds the queue full is refused with 429 and can be sent again', async (context) => {
  const engine = await TestEngine.open(context, new MemoryFileSystem(), { queueBytesMax: 4096 });
  const large = track('a', { properties: { text: 'x'.repeat(3000) } });
  const first = engine.send([large]);
  const second = engine.send([track('b', { properties: { text: 'x'.repeat(3000) } })]);
  assert.equal(await codeOf(second), 'TRIBUTARY_ENGINE_QUEUE_FULL');
  await first;
  assert.equal((await engine.send([track('b')])).accepted, 1);
});

test('hot storage at its limit refuses with 503 and keeps what it has', async (context) => {
  const engine = await TestEngine.open(context, new MemoryFileSystem(), { hotBytesMax: 24 * MIB });
  const text = 'x'.repeat(30_000);
  let sent = 0;
  let code = 'accepted';
  while (code === 'accepted' && sent < 10_000) {
    code = await codeOf(engine.send([track(`m${sent}`, { properties: { text } })]));
    if (code === 'accepted') sent += 1;
  }
  assert.equal(code, 'TRIBUTARY_STORAGE_HOT_FULL');
  assert.ok(sent > 0);
  assert.equal(visibleIds(engine).length, sent);
});

for (const operation of ['write', 'sync'] as const) {
  test(`after a failed ${operation} of the log nothing is shown or taken until a restart`, async (context) => {
    const memory = new MemoryFileSystem();
    const faulty = new FaultFileSystem(memory, {
      faults: [{ operation, result: 'EIO', path: '/wal/', after: operation === 'sync' ? 3 : 3 }],
    });
    const engine = await TestEngine.open(context, faulty);
    const outcomes: string[] = [];
    for (let index = 0; index < 6; index += 1) {
      outcomes.push(await codeOf(engine.send([track(`m${index}`)])));
    }
    const acknowledged = outcomes.filter((code) => code === 'accepted').length;
    assert.ok(acknowledged < 6, 'the fault struck');
    assert.equal(outcomes.at(-1), 'TRIBUTARY_ENGINE_POISONED');
    assert.equal(engine.tenant.hot.events.publishedRows, acknowledged);
    await engine.engine.close();
    const again = await TestEngine.open(context, memory);
    const ids = visibleIds(again);
    for (let index = 0; index < acknowledged; index += 1) assert.equal(ids[index], `m${index}`);
  });
}

test('a crash at any moment loses nothing acknowledged and invents nothing', async (context) => {
  for (let seed = 1; seed <= 25; seed += 1) {
    const fileSystem = new MemoryFileSystem();
    const engine = await TestEngine.open(context, fileSystem);
    const acknowledged: string[] = [];
    const sent: string[] = [];
    for (let batch = 0; batch < 8; batch += 1) {
      const ids = Array.from(
        { length: 1 + ((seed + batch) % 5) },
        (_, index) => `${batch}-${index}`,
      );
      sent.push(...ids);
      const done = engine
        .send(ids.map((id) => track(id, { anonymousId: `d${batch % 3}` })))
        .then(() => acknowledged.push(...ids));
      if ((seed + batch) % 3 !== 0) await done;
    }
    const acknowledgedBefore = [...acknowledged];
    const crashed = fileSystem.crash(seed);
    await engine.engine.close();
    const recovered = await TestEngine.open(context, crashed);
    const ids = visibleIds(recovered);
    assert.deepEqual(ids, sent.slice(0, ids.length), `seed ${seed}: a prefix of what was sent`);
    for (const id of acknowledgedBefore)
      assert.ok(ids.includes(id), `seed ${seed}: ${id} is there`);
    await recovered.engine.close();
  }
});

test('a live tail sees each batch as it became visible, and nothing after it stopped', async (context) => {
  const engine = await open(context);
  await engine.send([track('before')]);
  const seen: PublishedBatch[] = [];
  const stop = engine.tenant.tail((batch) => seen.push(batch));
  await engine.send([track('a'), track('a'), { type: 'nothing' } as TestEvent]);
  await engine.sendBytes(new Packr().pack({ batch: [track('packed')] }), 'msgpack');
  stop();
  await engine.send([track('after')]);
  assert.deepEqual(
    seen.map(({ json, firstSequence, events, hidden }) => ({
      ids: (JSON.parse(Buffer.from(json).toString('utf8')) as { batch: TestEvent[] }).batch.map(
        ({ messageId }) => messageId,
      ),
      firstSequence,
      events,
      hidden,
    })),
    [
      { ids: ['a', 'a', undefined], firstSequence: 2, events: 3, hidden: [1, 2] },
      { ids: ['packed'], firstSequence: 5, events: 1, hidden: [] },
    ],
  );
});

test('a start that failed left its hot files in shared memory', async (context) => {
  const hotDirectory = temporaryHotDirectory(context);
  const faults = [{ operation: 'open', result: 'EMFILE', path: '/wal/' }] as const;
  const faulty = new FaultFileSystem(new MemoryFileSystem(), { faults });
  await assert.rejects(TestEngine.open(context, faulty, { hotDirectory }), /EMFILE/);
  assert.deepEqual(readdirSync(hotDirectory), []);
});

test('a tenant that does not exist is a named error', async (context) => {
  const { engine } = await open(context);
  assert.equal(engine.tenant(TENANT_ID).id, TENANT_ID);
  assert.throws(() => engine.tenant('nobody'), { code: 'TRIBUTARY_ENGINE_TENANT_UNKNOWN' });
});
