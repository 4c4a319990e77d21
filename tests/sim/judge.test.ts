/** The judge is judged: a tenant held against a log that is not quite its own does not pass. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandomSource } from '../../base/random.ts';
import { HOUR_MICROS } from '../../base/units.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { temporaryHotDirectory } from '../support/hot-fixture.ts';
import { SimulatedAppliance } from './appliance.ts';
import { foldLog, type LogEntry } from './log-model.ts';
import { differences, identityPrint, observe } from './tenant-state.ts';
import { Witness } from './witness.ts';

const NOW = 1_772_366_400_000_000;
const WINDOW_MICROS = 24 * HOUR_MICROS;

test('a row lost, invented, moved or changed, or of somebody else, is a difference', async (context) => {
  const disk = new MemoryFileSystem();
  const appliance = await SimulatedAppliance.boot({
    fileSystem: disk,
    hotDirectory: temporaryHotDirectory(context),
    clock: { nowMicros: () => NOW, monotonicMs: () => 0 },
    random: seededRandomSource(1),
    dedupeWindowMicros: WINDOW_MICROS,
  });
  context.after(() => appliance.close());
  const entries: LogEntry[] = [];
  const entry = (event: Readonly<Record<string, unknown>>): LogEntry => ({
    kind: 'batch',
    events: [{ event }],
    receivedAtMicros: NOW,
    source: appliance.sourceName,
  });
  const send = async (event: Readonly<Record<string, unknown>>): Promise<void> => {
    const batch = { codec: 'json', bytes: Buffer.from(JSON.stringify(event)), events: [] } as const;
    await appliance.send(batch, NOW);
    entries.push(entry(event));
  };
  await send({ type: 'page', messageId: 'a', anonymousId: 'd1', properties: { n: 1 } });
  await send({ type: 'identify', messageId: 'b', userId: 'u1', anonymousId: 'd1' });
  await send({ type: 'track', event: 'Seen', messageId: 'c', userId: 'u2' });
  const against = async (log: readonly LogEntry[]): Promise<string[]> => {
    const model = foldLog(log, WINDOW_MICROS);
    return differences(await observe(appliance, disk, model), model);
  };
  const [page, identify, track] = entries as [LogEntry, LogEntry, LogEntry];
  const wrong: Readonly<Record<string, readonly LogEntry[]>> = {
    lost: [...entries, entry({ type: 'page', messageId: 'd', anonymousId: 'd1' })],
    invented: [page, identify],
    moved: [page, track, identify],
    changed: [
      entry({ type: 'page', messageId: 'a', anonymousId: 'd1', properties: { n: 2 } }),
      ...[identify, track],
    ],
    'of somebody else': [
      ...[page, identify],
      entry({ type: 'track', event: 'Seen', messageId: 'c', userId: 'u1' }),
    ],
    'shown twice': [
      page,
      identify,
      entry({ type: 'track', event: 'Seen', messageId: 'b', userId: 'u2' }),
    ],
    'not rejected': [
      ...[page, identify, track],
      {
        kind: 'batch',
        events: [{ event: { type: 'track' }, rejection: { code: 'TRIBUTARY_X', path: 'event' } }],
        receivedAtMicros: NOW,
        source: appliance.sourceName,
      },
    ],
  };
  for (const tier of ['hot', 'cold']) {
    assert.deepEqual(await against(entries), []);
    for (const [mistake, log] of Object.entries(wrong)) {
      assert.notDeepEqual(await against(log), [], `${mistake}, ${tier}`);
    }
    await appliance.open.flusher.flush();
  }
});

test('what an operator said, lost or done twice, is another identity', async (context) => {
  const appliance = await SimulatedAppliance.boot({
    fileSystem: new MemoryFileSystem(),
    hotDirectory: temporaryHotDirectory(context),
    clock: { nowMicros: () => NOW, monotonicMs: () => 0 },
    random: seededRandomSource(1),
    dedupeWindowMicros: WINDOW_MICROS,
  });
  context.after(() => appliance.close());
  const witness = new Witness(WINDOW_MICROS);
  const saw = (): string[] => witness.saw('identity', identityPrint(appliance.tenant));
  for (const userId of ['u1', 'u2']) {
    const bytes = Buffer.from(JSON.stringify({ type: 'page', messageId: userId, userId }));
    await appliance.send({ codec: 'json', bytes, events: [] }, NOW);
  }
  const [a, b] = ['u1', 'u2'].map((value) => ({ type: 'user_id', value }));
  assert.deepEqual(saw(), []);
  assert.deepEqual(saw(), []);
  await appliance.tenant.commands.changeIdentity(
    { command: 'link', a: a!, b: b!, force: true },
    NOW,
  );
  assert.notDeepEqual(saw(), []);
  await appliance.tenant.commands.changeIdentity({ command: 'unlink', a: a!, b: b! }, NOW);
  assert.notDeepEqual(saw(), []);
});
