/** Maintenance on a clock that tests move: what it does by itself, and what it leaves alone. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import { TributaryError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { seededRandomSource } from '../../base/random.ts';
import { DAY_MICROS } from '../../base/units.ts';
import type { ColdTable } from '../../engine/cold-table.ts';
import { Maintenance, type MaintenanceOptions } from '../../engine/maintenance.ts';
import { COMPACTION_LIMITS } from '../../storage/lake/compaction-plan.ts';
import type { FileRewriter, RewriteRequest } from '../../storage/lake/file-rewriter.ts';
import { planRetention } from '../../storage/lake/retention-plan.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { openDuckDb } from '../native/scan-harness.ts';
import { NOW, TENANT_ID, TestEngine } from '../support/engine-fixture.ts';
import { tieredValues } from '../support/tiered-rows.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** A disk too full to write to: every rewrite is refused, and counted. */
class RefusingRewriter implements FileRewriter {
  requests: RewriteRequest[] = [];
  async rewrite(request: RewriteRequest): Promise<never> {
    this.requests.push(request);
    throw new TributaryError('TRIBUTARY_LAKE_REWRITE_FAILED', { reason: 'no room' });
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

describe('maintenance', () => {
  let duckdb: DuckDBConnection;
  before(async () => {
    duckdb = await openDuckDb();
  });
  after(() => duckdb.closeSync());

  /** Five days of events, a flush each; the clock stands at noon of the last of them. */
  async function openMaintenance(context: TestContext, options: Partial<MaintenanceOptions> = {}) {
    const fileSystem = new MemoryFileSystem();
    const state = {
      nowMicros: NOW,
      monotonicMs: 0,
      busy: undefined as string | undefined,
      short: false,
    };
    const clock = { nowMicros: () => state.nowMicros, monotonicMs: () => state.monotonicMs };
    const engine = await TestEngine.open(context, fileSystem, {
      clock,
      flush: { flushAgeMs: Number.POSITIVE_INFINITY },
    });
    const open = engine.engine.openTenant(TENANT_ID);
    for (let day = 0; day < 5; day += 1) {
      const event = { type: 'track', event: 'Seen', userId: 'u', messageId: `day${day}` };
      await engine.send([event, { type: 'track', userId: 'nameless' }], state.nowMicros);
      await open.flusher.flush();
      if (day < 4) state.nowMicros += DAY_MICROS;
    }
    const rewriter = new RefusingRewriter();
    const maintenance = new Maintenance({
      tenants: [open],
      store: engine.engine.store,
      fileSystem,
      rewriter,
      retention: {},
      busyReason: () => state.busy,
      isDiskShort: () => state.short,
      clock,
      random: seededRandomSource(3),
      logger: silentLogger,
      ...options,
    });
    context.after(() => maintenance.close());
    const events = open.cold.tables.find(({ lake }) => lake.name === 'events')!;
    const values = (table: ColdTable, column: string): Promise<string[]> =>
      tieredValues(duckdb, table, engine.engine.store, column);
    return { engine, events, fileSystem, maintenance, open, rewriter, state, values };
  }

  it('rows are dropped the day after their retention, table by table, and stay gone', async (context) => {
    const retention = { events: 2 };
    const { engine, events, fileSystem, maintenance, open, state, values } = await openMaintenance(
      context,
      { retention },
    );
    const all = ['day0', 'day1', 'day2', 'day3', 'day4'];
    const dry = await maintenance.dropOld(open, true);
    assert.deepEqual([dry['events']?.files, dry['dead_letters']?.files], [2, 0]);
    assert.deepEqual(await values(events, 'message_id'), all, 'a dry run drops nothing');
    await maintenance.dropOld(open);
    assert.deepEqual(await values(events, 'message_id'), all.slice(2));
    assert.equal(events.lake.currentSnapshot!.operation, 'delete');
    const { watermark } = events;
    state.nowMicros += DAY_MICROS;
    state.monotonicMs += HOUR_MS;
    await maintenance.poll();
    assert.deepEqual(await values(events, 'message_id'), all.slice(3), 'by itself, an hour later');
    const deadLetters = open.cold.tables.find(({ lake }) => lake.name === 'dead_letters')!;
    assert.equal((await values(deadLetters, 'code')).length, 5);
    assert.deepEqual(
      [maintenance.statistics.droppedFiles, maintenance.statistics.droppedRows],
      [3, 3],
    );

    await engine.engine.close();
    const again = await TestEngine.open(context, fileSystem);
    const { cold } = again.engine.openTenant(TENANT_ID);
    const reopened = cold.tables.find(({ lake }) => lake.name === 'events')!;
    assert.equal(reopened.watermark, watermark);
    assert.deepEqual(
      await tieredValues(duckdb, reopened, again.engine.store, 'message_id'),
      all.slice(3),
      'replay does not bring them back',
    );
  });

  it('a row is kept for its days at least, and a day more at most', () => {
    const day = (number: number) => ({
      location: '',
      day: number,
      recordCount: 1,
      fileBytes: 1,
      columns: new Map(),
      splitOffsets: [],
      sorted: false,
      snapshotId: 1n,
    });
    const files = [97, 98, 99, 100].map(day);
    const dropped = (days: number): (number | null)[] =>
      planRetention([...files, { ...day(0), day: null }], 100, days).map((file) => file.day);
    assert.deepEqual(dropped(1), [97, 98]);
    assert.deepEqual(dropped(3), []);
    assert.deepEqual(dropped(0), [97, 98, 99]);
  });

  it('old snapshots and their files go by themselves; what queries read stays', async (context) => {
    const { engine, events, maintenance, state, values } = await openMaintenance(context, {
      retention: { events: 2 },
    });
    const files = async (): Promise<number> => {
      let count = 0;
      for await (const { key } of engine.engine.store.list('')) {
        if (/events-.*\.parquet$/.test(key)) count += 1;
      }
      return count;
    };
    state.monotonicMs += HOUR_MS;
    await maintenance.poll();
    assert.equal(await files(), 5, 'files of young snapshots stay');
    state.short = true;
    state.nowMicros += DAY_MICROS / 8;
    state.monotonicMs += 5 * MINUTE_MS;
    await maintenance.poll();
    assert.equal(await files(), 5, 'a query that runs may read the list before');
    state.monotonicMs += 2 * HOUR_MS;
    await maintenance.poll();
    assert.equal(await files(), 3, 'when the disk is short, early');
    assert.deepEqual(await values(events, 'message_id'), ['day2', 'day3', 'day4']);
    assert.ok(maintenance.statistics.deletedObjects > 2);
  });

  it('compaction waits while the appliance is busy, but not for ever, and not for a short disk', async (context) => {
    const { maintenance, rewriter, state } = await openMaintenance(context, {
      limits: { ...COMPACTION_LIMITS, filesMin: 2 },
    });
    state.busy = 'batches queue';
    await maintenance.poll();
    state.monotonicMs += 9 * MINUTE_MS;
    await maintenance.poll();
    assert.equal(rewriter.requests.length, 0);
    state.short = true;
    state.monotonicMs += MINUTE_MS;
    await maintenance.poll();
    assert.equal(rewriter.requests.length, 0);
    state.short = false;
    state.monotonicMs += MINUTE_MS;
    await maintenance.poll();
    assert.ok(rewriter.requests.length > 0, 'after ten minutes');
  });

  it('a table whose compaction failed rests, longer each time', async (context) => {
    const { maintenance, rewriter, state } = await openMaintenance(context);
    const attempts = async (minutes: number): Promise<number> => {
      const before = rewriter.requests.length;
      state.monotonicMs += minutes * MINUTE_MS;
      await maintenance.poll();
      return rewriter.requests.length - before;
    };
    const tables = 2; // events and dead_letters have files.
    assert.equal(await attempts(0), tables);
    assert.equal(await attempts(0.5), 0);
    assert.equal(await attempts(1), tables);
    assert.equal(await attempts(1), 0);
    assert.equal(await attempts(1), tables);
    assert.equal(maintenance.statistics.rewriteFailures, 3 * tables);
    assert.equal(maintenance.statistics.rewrites, 0);
    await maintenance.close();
    assert.equal(await attempts(1000), 0, 'nothing begins after the close');
  });
});
