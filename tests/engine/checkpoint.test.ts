/**
 * Checkpoints: restoring one and replaying the rest of the log gives what replaying all of it gives, byte
 * for byte, wherever the cut is; a damaged one is passed over.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { TributaryError } from '../../base/errors.ts';
import { seededRandomSource } from '../../base/random.ts';
import { HOUR_MICROS, MIB } from '../../base/units.ts';
import { TENANT_CAPACITIES } from '../../engine/capacities.ts';
import {
  type CheckpointPlace,
  openNewestCheckpoint,
  saveCheckpoint,
  stateParts,
} from '../../engine/checkpoint.ts';
import { secretFileOf, walDirectoryOf } from '../../engine/data-files.ts';
import type { DeclaredTrait } from '../../engine/declared-traits.ts';
import { HotStore } from '../../engine/hot-store.ts';
import { type RecoveredState, recoverTenant } from '../../engine/recovery.ts';
import { openTenantSecret } from '../../engine/tenant-secret.ts';
import type { IdentityCommand } from '../../identity/identity-command.ts';
import { DEFAULT_RULES } from '../../identity/identity-rules.ts';
import { rulesToJson } from '../../identity/identity-rules-format.ts';
import type { SaidValue } from '../../identity/trait-store.ts';
import type { CheckpointReader } from '../../storage/checkpoint-reader.ts';
import { CHECKPOINT_TEMPORARY } from '../../storage/checkpoint-writer.ts';
import { type Fault, FaultFileSystem } from '../../storage/fault-file-system.ts';
import { readFile } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { NOW, SOURCE, TENANT_ID, TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { temporaryHotDirectory } from '../support/hot-fixture.ts';
import { joiningCommands } from '../support/identity-command-arbitrary.ts';
import { type Row, readRows } from '../support/read-rows.ts';

const DIRECTORY = '/data/checkpoints';
const CAPACITIES = { ...TENANT_CAPACITIES, segmentRows: 64, identityNodes: 4096 };

/** All rows of these logs count as flushed. */
const END = Number.MAX_SAFE_INTEGER;

const placeOf = (fileSystem: MemoryFileSystem): CheckpointPlace => ({
  fileSystem,
  directory: DIRECTORY,
  tenantId: TENANT_ID,
});

interface Recovered {
  readonly state: RecoveredState;
  readonly hot: HotStore;
  close(): void;
}

async function recover(
  context: TestContext,
  fileSystem: MemoryFileSystem,
  options: { checkpoint?: CheckpointReader | undefined; toSequence?: number } = {},
): Promise<Recovered> {
  const hot = new HotStore(temporaryHotDirectory(context), 512 * MIB, CAPACITIES);
  const secretFile = `/data/${secretFileOf(TENANT_ID)}`;
  const state = await recoverTenant({
    id: TENANT_ID,
    sources: [SOURCE],
    secret: await openTenantSecret(fileSystem, secretFile, seededRandomSource(1)),
    fileSystem,
    walDirectory: `/data/${walDirectoryOf(TENANT_ID)}`,
    hot,
    capacities: CAPACITIES,
    cold: [],
    acceptDataLoss: false,
    ...options,
  });
  const close = (): void => {
    state.stager.close();
    state.fold.close();
    hot.close();
  };
  return { state, hot, close };
}

/** Everything a state decides by, as bytes. */
function bytesOf({ state }: Recovered): Map<string, string> {
  return new Map(
    stateParts(state).map((part) => {
      const bytes = Buffer.alloc(part.bytes);
      part.read(0, bytes);
      return [part.name, bytes.toString('latin1')];
    }),
  );
}

/** The rows of all tables from a sequence on. */
function rowsOf({ hot }: Recovered, sequence: number): Row[][] {
  return hot.tables.map((table) =>
    table.segments
      .flatMap((segment) => readRows(segment))
      .filter((row) => Number(row['sequence']) >= sequence),
  );
}

type Declaration = { readonly declare: readonly DeclaredTrait[] };
type Filling = { readonly said: readonly SaidValue[] };
type Step = readonly TestEvent[] | IdentityCommand | Declaration | Filling;

const name = (prefix: string, count: number) =>
  fc.integer({ min: 0, max: count - 1 }).map((number) => `${prefix}${number}`);
const identifier = fc.oneof(
  name('u', 6).map((value) => ({ type: 'user_id', value })),
  name('d', 6).map((value) => ({ type: 'anonymous_id', value })),
);
const event: fc.Arbitrary<TestEvent> = fc.record(
  {
    type: fc.constant('identify'),
    messageId: name('m', 40),
    anonymousId: name('d', 6),
    userId: name('u', 6),
    traits: fc.record({
      email: name('e', 4).map((email) => `${email}@mail.example`),
      plan: fc.constantFrom('pro', 'free', null, 7),
    }),
  },
  { requiredKeys: ['type', 'anonymousId'] },
);
const command: fc.Arbitrary<IdentityCommand> = fc.oneof(
  { weight: 3, arbitrary: joiningCommands(identifier) },
  {
    weight: 1,
    arbitrary: fc.record({
      command: fc.constant('block' as const),
      identifier,
      retroactive: fc.boolean(),
    }),
  },
);
/** With one thing changed, which decides other merges and blocks. */
const rules = (salt: number): IdentityCommand => {
  const changed = structuredClone(rulesToJson(DEFAULT_RULES)) as { types: { block: unknown[] }[] };
  changed.types[0]!.block.push(`u${salt}`);
  return { command: 'rules', version: 0, rules: changed };
};
const declaration: fc.Arbitrary<Declaration> = fc
  .subarray(['email', 'plan', 'other'])
  .map((names) => ({ declare: names.map((name) => ({ name, path: name, type: 'string' })) }));
const filling: fc.Arbitrary<Filling> = fc.record({
  said: fc.array(
    fc.record({
      anchor: fc.integer({ min: 1, max: 6 }),
      key: fc.constantFrom('email', 'plan'),
      micros: fc.integer({ min: -1, max: 1 }).map((seconds) => NOW + seconds * 1_000_000),
      sequence: fc.integer({ min: 1, max: 9 }),
      value: fc.constantFrom('"pro"', '"a longer text than a cell holds"'),
    }),
  ),
});
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.array(event, { minLength: 1, maxLength: 12 }) },
    { weight: 1, arbitrary: command },
    { weight: 1, arbitrary: declaration },
    { weight: 1, arbitrary: filling },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 }).map(rules) },
  ),
  { minLength: 1, maxLength: 12 },
);

/** Rules are made from the version before. */
function inTurn(command: IdentityCommand, { tenant }: TestEngine): IdentityCommand {
  if (command.command !== 'rules') return command;
  return { ...command, version: tenant.identity.rules.version + 1 };
}

/** Writes a log. @returns the sequences at which records begin, and the end. */
async function writeLog(
  context: TestContext,
  fileSystem: MemoryFileSystem,
  log: readonly Step[],
): Promise<number[]> {
  const engine = await TestEngine.open(context, fileSystem, { capacities: CAPACITIES });
  const cuts = [1];
  // Steps are hours apart: generations of the duplicate window turn while the log is written.
  for (const [index, step] of log.entries()) {
    const at = NOW + index * 5 * HOUR_MICROS;
    if ('declare' in step) await engine.tenant.commands.declareTraits(step.declare, undefined, at);
    else if ('said' in step) {
      const { version } = engine.tenant.declarations;
      const said = { version, keys: ['email', 'plan'], values: step.said, isComplete: true };
      await engine.tenant.commands.keepTraits(said, at);
    } else if ('command' in step)
      await engine.tenant.commands.changeIdentity(inTurn(step, engine), at);
    else await engine.send(step, at);
    cuts.push(engine.tenant.appliedSequence + 1);
  }
  await engine.engine.close();
  return cuts;
}

test('a checkpoint and the rest of the log give what the whole log gives, wherever the cut is', async (context) => {
  await fc.assert(
    fc.asyncProperty(steps, fc.double({ min: 0, max: 1, noNaN: true }), async (log, where) => {
      const fileSystem = new MemoryFileSystem();
      const cuts = await writeLog(context, fileSystem, log);
      await fileSystem.makeDirectory(DIRECTORY);
      const cut = cuts[Math.min(cuts.length - 1, Math.floor(where * cuts.length))]!;

      const early = await recover(context, fileSystem, { toSequence: cut });
      assert.equal(early.state.recovery.nextSequence, cut);
      await saveCheckpoint(placeOf(fileSystem), early.state);
      const atCut = bytesOf(early);
      early.close();

      const checkpoint = await openNewestCheckpoint(placeOf(fileSystem), END, assert.fail);
      assert.equal(checkpoint?.nextSequence, cut);
      const still = await recover(context, fileSystem, { checkpoint, toSequence: cut });
      assert.deepEqual(bytesOf(still), atCut, 'what is restored is what was saved');
      still.close();

      const whole = await recover(context, fileSystem);
      const restored = await recover(context, fileSystem, { checkpoint });
      assert.equal(restored.state.recovery.nextSequence, whole.state.recovery.nextSequence);
      assert.deepEqual(bytesOf(restored), bytesOf(whole));
      assert.deepEqual(rowsOf(restored, cut), rowsOf(whole, cut));
      assert.deepEqual(restored.state.fold.identity.rules, whole.state.fold.identity.rules);
      restored.close();
      whole.close();
      await checkpoint?.close();
    }),
    { numRuns: Number(process.env['CHECKPOINT_RUNS'] ?? 8), includeErrorInReport: true },
  );
});

async function saved(context: TestContext): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem();
  const log = [[{ type: 'page', userId: 'ann' }], [{ type: 'page', userId: 'ben' }]];
  const cuts = await writeLog(context, fileSystem, log);
  await fileSystem.makeDirectory(DIRECTORY);
  for (const toSequence of cuts.slice(1)) {
    const state = await recover(context, fileSystem, { toSequence });
    await saveCheckpoint(placeOf(fileSystem), state.state);
    state.close();
  }
  return fileSystem;
}

const NEWEST = `${DIRECTORY}/checkpoint-0000000000000003`;

async function replace(fileSystem: MemoryFileSystem, bytes: Uint8Array): Promise<void> {
  await fileSystem.unlink(NEWEST);
  const handle = await fileSystem.open(NEWEST, 'create');
  await handle.write([bytes], 0);
  await handle.close();
}

test('a checkpoint with any byte changed, or cut anywhere, is reported and passed over', async (context) => {
  const fileSystem = await saved(context);
  const intact = await readFile(fileSystem, NEWEST);
  // The parts are mostly empty tables; what is near the end has every field of contents and trailer.
  const places = [0, 1000, 70_000, ...Array.from({ length: 40 }, (_, index) => index * 37 + 1)];
  for (const place of places) {
    const position = intact.length - 1 - (place % intact.length);
    const isReserved = position >= intact.length - 12 && position < intact.length - 8;
    for (const damaged of [intact.slice(), intact.slice(0, position)]) {
      if (damaged.length === intact.length) damaged[position] = damaged[position]! ^ 0x10;
      await replace(fileSystem, damaged);
      const reported: TributaryError[] = [];
      const checkpoint = await openNewestCheckpoint(placeOf(fileSystem), END, (error) =>
        reported.push(error),
      );
      await checkpoint?.close();
      if (isReserved && damaged.length === intact.length) continue;
      assert.equal(checkpoint?.nextSequence, 2, `position ${position}`);
      assert.equal(reported[0]?.code, 'TRIBUTARY_STORAGE_CHECKPOINT_UNUSABLE');
    }
  }
});

test('a checkpoint of another tenant is not used', async (context) => {
  const fileSystem = await saved(context);
  let reported = 0;
  const tenantId = 'aaaaaaaa-0a4e-4c5b-9d6f-112233445566';
  const none = await openNewestCheckpoint({ ...placeOf(fileSystem), tenantId }, END, () => {
    reported += 1;
  });
  assert.equal(none, undefined);
  assert.equal(reported, 2);
});

test('a checkpoint that could not be written leaves the one before, and can be written again', async (context) => {
  const fileSystem = await saved(context);
  await fileSystem.unlink(NEWEST);
  const place = placeOf(fileSystem);
  const recovered = await recover(context, fileSystem);
  const faults: Fault[] = (['open', 'write', 'sync', 'rename'] as const).map((operation) => {
    return { operation, result: 'EIO', path: CHECKPOINT_TEMPORARY };
  });
  for (const fault of faults) {
    const failing = new FaultFileSystem(fileSystem, { faults: [fault] });
    await assert.rejects(saveCheckpoint({ ...place, fileSystem: failing }, recovered.state), /EIO/);
    const before = await openNewestCheckpoint(place, END, assert.fail);
    assert.equal(before?.nextSequence, 2, `after a failed ${fault.operation}`);
    await before?.close();
  }
  await saveCheckpoint(place, recovered.state);
  const after = await openNewestCheckpoint(place, END, assert.fail);
  assert.equal(after?.nextSequence, 3);
  await after?.close();
  recovered.close();
});
