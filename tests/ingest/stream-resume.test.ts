import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../../base/limits.ts';
import type { WritePrincipal } from '../../engine/control.ts';
import type { BatchOutcome } from '../../engine/types.ts';
import { StreamLedger, type StreamRecord } from '../../ingest/stream-ledger.ts';
import { parseResume } from '../../ingest/stream-resume.ts';
import { type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';
import { StreamClient } from '../support/stream-client.ts';

const EVENT = { type: 'track', event: 'Seen', userId: 'u1' };
const NO_CREDIT = { batches: 0, bytes: 0 };

async function withDoor(run: (door: FrontDoor) => Promise<void>): Promise<void> {
  const door = await openFrontDoor();
  try {
    await run(door);
  } finally {
    door.writer.letGo();
    door.server.close();
  }
}

/** A connection of stream `s`, with the hello's `resume`. */
async function resume(
  door: FrontDoor,
  acknowledged = -1,
): Promise<{ client: StreamClient; state: unknown }> {
  const client = await StreamClient.open(door.server.port);
  client.sendText(JSON.stringify({ hello: { key: WRITE_KEY, stream: 's', acknowledged } }));
  const { hello } = (await client.next()) as { hello: { resume: unknown } };
  return { client, state: hello.resume };
}

test('a stream that is new has nothing durable and nothing under way', () =>
  withDoor(async (door) => {
    const { client, state } = await resume(door);
    assert.deepEqual(state, { durable: [], under_way: [] });
    client.destroy();
  }));

test('a stream may be named in the URL when the key is in the head', () =>
  withDoor(async (door) => {
    const headers = { Authorization: `Bearer ${WRITE_KEY}` };
    const path = '/v1/stream?stream=s&acknowledged=7';
    const client = await StreamClient.open(door.server.port, headers, path);
    const { hello } = (await client.next()) as { hello: { resume: unknown } };
    assert.deepEqual(hello.resume, { durable: [], under_way: [] });
    client.destroy();
    for (const query of [
      'stream=a%20b',
      'stream=',
      'stream=s&acknowledged=',
      'stream=s&acknowledged=x',
    ]) {
      const wrong = StreamClient.open(door.server.port, headers, `/v1/stream?${query}`);
      await assert.rejects(wrong, /400/, query);
    }
  }));

test('a name that is none closes the stream with 1002', () =>
  withDoor(async (door) => {
    for (const stream of ['', 'a b', 'ä', 7, 'x'.repeat(LIMITS.streamNameCharactersMax + 1)]) {
      const client = await StreamClient.open(door.server.port);
      client.sendText(JSON.stringify({ hello: { key: WRITE_KEY, stream } }));
      assert.equal(await client.closed, 1002, String(stream));
    }
    assert.deepEqual(parseResume('x'.repeat(LIMITS.streamNameCharactersMax), undefined), {
      stream: 'x'.repeat(LIMITS.streamNameCharactersMax),
      acknowledged: -1,
    });
    for (const acknowledged of [-2, 0.5, 2 ** 32, '1', null]) {
      assert.equal(parseResume('s', acknowledged), undefined, String(acknowledged));
    }
  }));

test('a batch whose answer got lost is answered with its own outcome by the next connection', () =>
  withDoor(async (door) => {
    const first = await resume(door);
    first.client.sendBatch(0, [EVENT]);
    first.client.sendBatch(1, [EVENT, { type: 'track', event: 'Lost' }]);
    await first.client.next();
    const { ack, credit, ...outcome } = await first.client.next();
    assert.equal(ack, 1);
    assert.ok(credit);
    first.client.destroy();

    const second = await resume(door, 0);
    assert.deepEqual(second.state, { durable: [1], under_way: [] });
    assert.deepEqual(await second.client.next(), { ack: 1, ...outcome, credit: NO_CREDIT });
    assert.equal(door.writer.batches.length, 2);
    second.client.destroy();
  }));

test('a batch that is sent again although it is durable is not taken again', () =>
  withDoor(async (door) => {
    const first = await resume(door);
    first.client.sendBatch(0, [EVENT]);
    const answer = await first.client.next();
    first.client.sendBatch(0, [EVENT]);
    assert.deepEqual(await first.client.next(), answer);
    assert.equal(door.writer.batches.length, 1);
    first.client.destroy();
  }));

test('a batch under way when the connection broke is answered on the next one', () =>
  withDoor(async (door) => {
    door.writer.hold();
    const first = await resume(door);
    first.client.sendBatch(0, [EVENT]);
    while (door.writer.batches.length === 0) await delay(2);
    first.client.destroy();

    const second = await resume(door);
    assert.deepEqual(second.state, { durable: [], under_way: [0] });
    second.client.sendBatch(0, [EVENT]);
    const bytes = JSON.stringify({ batch: [EVENT] }).length;
    assert.deepEqual(await second.client.next(), { credit: { batches: 1, bytes } });
    door.writer.letGo();
    const answer = await second.client.next();
    assert.deepEqual([answer['ack'], answer['credit']], [0, NO_CREDIT]);
    assert.equal(door.writer.batches.length, 1);
    second.client.destroy();
  }));

test('a batch that was refused is decided anew when it comes again', () =>
  withDoor(async (door) => {
    const { client } = await resume(door);
    client.sendText('0\n{"batch":[');
    assert.equal((await client.next())['nack'], 0);
    client.sendBatch(0, [EVENT]);
    assert.equal((await client.next())['ack'], 0);
    client.destroy();
  }));

test('a second connection of a stream takes it over, and the first is closed with 4001', () =>
  withDoor(async (door) => {
    const first = await resume(door);
    const second = await resume(door);
    assert.equal(await first.client.closed, 4001);
    second.client.sendBatch(0, [EVENT]);
    assert.equal((await second.client.next())['ack'], 0);
    second.client.destroy();
    await delay(20);
    const third = await resume(door);
    assert.deepEqual(third.state, { durable: [0], under_way: [] });
    third.client.destroy();
  }));

const PRINCIPAL: WritePrincipal = {
  tenantId: 't',
  source: { ordinal: 1, name: 'web' },
  keyId: 'k',
};
const OUTCOME: BatchOutcome = {
  received: 1,
  accepted: 1,
  duplicates: 0,
  rejected: [],
  lastSequence: 1,
};

function ledgerAt(): { ledger: StreamLedger; pass(ms: number): void } {
  let now = 0;
  const ledger = new StreamLedger({ nowMicros: () => now * 1000, monotonicMs: () => now });
  return {
    ledger,
    pass: (ms) => {
      now += ms;
    },
  };
}

const nobody = (): { deliver(): void; replaced(): void } => ({ deliver() {}, replaced() {} });

function visit(
  ledger: StreamLedger,
  stream: string,
  use: (record: StreamRecord) => void,
  principal = PRINCIPAL,
): void {
  const holder = nobody();
  use(ledger.attach(principal, stream, holder));
  ledger.detach(principal, stream, holder);
}

test('a stream without a connection is remembered for its time and no longer', () => {
  const { ledger, pass } = ledgerAt();
  visit(ledger, 's', (record) => record.settle(3, OUTCOME));
  pass(LIMITS.streamMemoryMs - 1);
  visit(ledger, 's', (record) => assert.deepEqual([...record.answered.keys()], [3]));
  pass(LIMITS.streamMemoryMs);
  visit(ledger, 's', (record) => assert.equal(record.answered.size, 0));
});

test('of too many streams without a connection the one that waited longest is forgotten', () => {
  const { ledger } = ledgerAt();
  for (let stream = 0; stream <= LIMITS.streamsRememberedMax; stream += 1) {
    visit(ledger, `s${stream}`, (record) => record.settle(0, OUTCOME));
  }
  assert.equal(ledger.size, LIMITS.streamsRememberedMax);
  visit(ledger, 's1', (record) => assert.equal(record.answered.size, 1));
  visit(ledger, 's0', (record) => assert.equal(record.answered.size, 0));
});

test('a stream remembers as many outcomes as it has credit', () => {
  const { ledger } = ledgerAt();
  visit(ledger, 's', (record) => {
    for (let id = 0; id <= LIMITS.streamCreditBatches; id += 1) record.settle(id, OUTCOME);
    assert.equal(record.answered.size, LIMITS.streamCreditBatches);
    assert.ok(!record.answered.has(0));
    record.forgetThrough(LIMITS.streamCreditBatches - 1);
    assert.deepEqual([...record.answered.keys()], [LIMITS.streamCreditBatches]);
    assert.equal(record.weight, 1);
  });
});

test('rejections weigh, for one stream and for all together', () => {
  const { ledger } = ledgerAt();
  const code = 'TRIBUTARY_INGEST_FIELD_TYPE' as const;
  const rejection = { index: 0, messageId: null, code, path: 'userId' };
  const rejected = new Array(LIMITS.rejectionsListedMax + 1).fill(rejection);
  const heavy = { ...OUTCOME, rejected };
  const eachMax = Math.floor(LIMITS.streamOutcomesMax / (LIMITS.rejectionsListedMax + 1));
  const streams = Math.ceil(LIMITS.streamOutcomesTotalMax / LIMITS.streamOutcomesMax) + 5;
  for (let stream = 0; stream < streams; stream += 1) {
    visit(ledger, `s${stream}`, (record) => {
      for (let id = 0; id < 10; id += 1) record.settle(id, heavy);
      assert.equal(record.answered.size, eachMax);
    });
  }
  assert.ok(ledger.size < streams);
  assert.ok(ledger.weight <= LIMITS.streamOutcomesTotalMax);
});

test('a stream of one source is not that of another', () => {
  const { ledger } = ledgerAt();
  const other = { ...PRINCIPAL, source: { ordinal: 2, name: 'app' } };
  visit(ledger, 's', (record) => record.settle(0, OUTCOME));
  visit(ledger, 's', (record) => assert.equal(record.answered.size, 0), other);
});
