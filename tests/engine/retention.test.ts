/** Which days hold for a tenant, and that maintenance drops by them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/log.ts';
import { seededRandomSource } from '../../base/random.ts';
import { DAY_MICROS } from '../../base/units.ts';
import { Maintenance } from '../../engine/maintenance.ts';
import { retentionFor } from '../../engine/retention.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { NOW, TENANT_ID, TestEngine } from '../support/engine-fixture.ts';
import { memoryRewriter } from '../support/memory-rewriter.ts';

test('days of its own go before those of all, 0 is for ever, null is as for all', () => {
  const common = { events: 30, warnings: 90 };
  assert.deepEqual(retentionFor(common, {}), common);
  assert.deepEqual(retentionFor(common, { events: 7, warnings: null }), { ...common, events: 7 });
  assert.deepEqual(retentionFor(common, { events: 0, dead_letters: 1 }), {
    ...{ warnings: 90, dead_letters: 1 },
  });
});

test('rows of a tenant are dropped by its own days, though others are kept for ever', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const state = { nowMicros: NOW };
  const clock = { nowMicros: () => state.nowMicros, monotonicMs: () => 0 };
  const engine = await TestEngine.open(context, fileSystem, {
    clock,
    flush: { flushAgeMs: Number.POSITIVE_INFINITY },
  });
  const open = engine.engine.openTenant(TENANT_ID);
  await engine.send([{ type: 'track', event: 'Seen', userId: 'u' }]);
  await open.flusher.flush();
  let own = {};
  const maintenance = new Maintenance({
    tenants: [open],
    store: engine.engine.store,
    fileSystem,
    rewriter: memoryRewriter(fileSystem),
    retention: {},
    ownRetention: (tenantId) => (tenantId === TENANT_ID ? own : {}),
    busyReason: () => undefined,
    isDiskShort: () => false,
    clock,
    random: seededRandomSource(3),
    logger: silentLogger,
  });
  context.after(() => maintenance.close());
  state.nowMicros += 3 * DAY_MICROS;
  assert.equal((await maintenance.dropOld(open))['events']?.rows, 0);
  own = { events: 2 };
  assert.equal((await maintenance.dropOld(open))['events']?.rows, 1);
});
