import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { MIB } from '../../base/units.ts';
import type { StagedRows } from '../../engine/staged-rows.ts';
import { readRows } from '../support/read-rows.ts';
import { openStaging, type Staging } from '../support/staging-fixture.ts';

const batchOf = (messageIds: readonly string[], more = {}): string =>
  JSON.stringify({
    batch: messageIds.map((messageId) => ({
      type: 'track',
      event: 'Seen',
      userId: `user of ${messageId}`,
      messageId,
      ...more,
    })),
  });

for (const threads of [1, 2] as const) {
  describe(`a stager of ${threads === 1 ? 'one thread' : 'two threads'}`, () =>
    stagerSuite(threads));
}

function stagerSuite(threads: 1 | 2): void {
  const open = (context: TestContext, hotBytesMax?: number): Staging =>
    openStaging(context, hotBytesMax === undefined ? { threads } : { threads, hotBytesMax });

  test('batches are told of in the order they were submitted, never before submit returned', async (context) => {
    const { stager, told, submit, hot } = open(context);
    for (let index = 0; index < 500; index += 1) {
      assert.ok(submit(batchOf([`a${index}`, `b${index}`, `a${index}`])));
      assert.equal(told.length, 0);
    }
    await stager.drained();
    assert.equal(told.length, 500);
    let sequence = 1;
    for (const rows of told as StagedRows[]) {
      assert.equal(rows.sequence, sequence);
      assert.deepEqual([rows.count, rows.duplicates, rows.nodes.length], [3, 1, 12]);
      sequence += rows.count;
    }
    assert.equal(hot.events.stagedRows, 1500);
    assert.equal(stager.pendingBytes, 0);
  });

  test('a refused batch takes no sequence and no row, and the ones behind it are staged', async (context) => {
    const { stager, told, submit, hot } = open(context);
    submit(batchOf(['a']));
    submit('{"batch":[');
    submit('[]');
    submit(batchOf(['b']));
    await stager.drained();
    const kinds = told.map((result) => (typeof result === 'string' ? result : result.sequence));
    assert.deepEqual(kinds, [
      1,
      'TRIBUTARY_INGEST_JSON_MALFORMED',
      'TRIBUTARY_INGEST_NOT_AN_EVENT',
      2,
    ]);
    assert.equal(hot.events.stagedRows, 2);
  });

  test('rows go on in the next segment when one is full, and keep their order', async (context) => {
    const { stager, told, submit, hot } = open(context);
    const ids = (batch: number) =>
      Array.from({ length: 10_000 }, (_, index) => `${batch}-${index}`);
    for (let batch = 0; batch < 26; batch += 1) {
      while (!submit(batchOf(ids(batch)))) await stager.progress();
    }
    await stager.drained();
    assert.equal(hot.events.segments.length, 3);
    assert.ok(hot.events.segments[0]!.sealed && !hot.events.activeSegment.sealed);
    let row = 0;
    for (const rows of told as StagedRows[]) {
      assert.equal(rows.segment.firstRow + rows.row, row);
      row += rows.count;
    }
    assert.equal(row, 260_000);
  });

  test('without room for a segment batches are refused, until there is some again', async (context) => {
    const { stager, told, submit, hot } = open(context, 64 * MIB);
    hot.budget.charge(40 * MIB);
    const refused = 'TRIBUTARY_STORAGE_HOT_FULL';
    for (let batch = 0; !told.includes(refused); batch += 1) {
      submit(batchOf(Array.from({ length: 10_000 }, (_, index) => `${batch}-${index}`)));
      hot.events.publishTo(hot.events.stagedRows);
      await stager.drained();
    }
    const { length } = told;
    hot.budget.release(40 * MIB);
    submit(batchOf(['later']));
    await stager.drained();
    const last = told[length] as StagedRows;
    assert.equal(readRows(last.segment, last.row)[0]?.['message_id'], 'later');
    assert.equal(told.filter((result) => result === refused).length, 1);
  });

  test('a record without rows takes one sequence where it stands', async (context) => {
    const { stager, told, submit } = open(context);
    const placed: number[] = [];
    submit(batchOf(['a', 'b']));
    stager.place((sequence) => placed.push(sequence));
    submit(batchOf(['c']));
    stager.continueAt(100);
    stager.place((sequence) => placed.push(sequence));
    submit(batchOf(['d']));
    await stager.drained();
    assert.deepEqual(
      told.map((rows) => (rows as StagedRows).sequence),
      [1, 4, 101],
    );
    assert.deepEqual(placed, [3, 100]);
  });

  test('a ring without room refuses a batch, and takes it once others were told of', async (context) => {
    const { stager, told, submit } = open(context);
    const large = batchOf(
      Array.from({ length: 100 }, (_, index) => `m${index}`),
      { properties: { text: 'x'.repeat(20_000) } },
    );
    let taken = 0;
    while (submit(large)) taken += 1;
    assert.ok(taken >= 2);
    await stager.progress();
    while (!submit(large)) await stager.progress();
    await stager.drained();
    assert.equal(told.length, taken + 1);
  });

  test('what is under way when the stager is closed is never told of', async (context) => {
    const { stager, told, submit } = open(context);
    for (let index = 0; index < 100; index += 1) submit(batchOf([`a${index}`]));
    stager.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(told.length, 0);
  });
}
