/**
 * The promise of a lake table, under every crash the memory file system can think of: what is found
 * afterwards is the table before the commit under way or after it, whole, with everything that had been
 * acknowledged; committing again gives the one result. fast-check prints the seeds of a failure.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TributaryError } from '../../base/errors.ts';
import { type Fault, FaultFileSystem } from '../../storage/fault-file-system.ts';
import type { LakeCommit } from '../../storage/lake/lake-table.ts';
import { keyOf } from '../../storage/lake/location.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { addFile, locationsOf, type OpenedTable, openTable } from './table-fixture.ts';

/** One thing that happens to a table; `choice` says to which files. */
interface Step {
  readonly kind: 'append' | 'replace' | 'evolve' | 'expire' | 'collect';
  readonly choice: number;
}

/** What readers may see: the live files and the watermark. */
interface Visible {
  readonly locations: readonly string[];
  readonly sequence: number;
  readonly columns: number;
}

interface Image {
  readonly fileSystem: MemoryFileSystem;
  /** What was acknowledged when the power went. */
  readonly before: Visible;
  /** The commit under way, if one was. */
  readonly underWay: LakeCommit | undefined;
}

async function visible({ table }: OpenedTable): Promise<Visible> {
  const locations = [...(await locationsOf(table))].sort();
  const sequence = table.currentSnapshot?.sequence ?? -1;
  return { locations, sequence, columns: table.schema.columns.length };
}

/** Every object that a version refers to is there, with its length. */
async function requireClosed(opened: OpenedTable): Promise<void> {
  const { store, table } = opened;
  for (const { snapshotId } of table.snapshots) {
    for (const { location, fileBytes } of await table.liveFiles(snapshotId)) {
      assert.equal((await store.head(keyOf('lake', location)))?.bytes, fileBytes);
    }
  }
}

async function commitOf(opened: OpenedTable, step: Step, index: number): Promise<LakeCommit> {
  const live = await locationsOf(opened.table);
  const replaces = step.kind === 'replace' && live.length > 0;
  return {
    commitId: `step ${index}`,
    operation: replaces ? 'replace' : 'append',
    add: [await addFile(opened, index + 1)],
    remove: replaces ? live.slice(0, 1 + (step.choice % live.length)) : [],
    ...(replaces ? {} : { sequence: index * 10 }),
  };
}

/** Runs the steps, taking a crash image before every operation of the disk. */
async function run(
  steps: readonly Step[],
  seed: number,
  faults: readonly Fault[] = [],
): Promise<Image[]> {
  const images: Image[] = [];
  let before: Visible | undefined;
  let underWay: LakeCommit | undefined;
  let operations = 0;
  const fileSystem: MemoryFileSystem = new MemoryFileSystem({
    schedule: () => {
      operations += 1;
      if (before === undefined) return;
      images.push({ fileSystem: fileSystem.crash(seed + operations), before, underWay });
    },
  });
  const disk = new FaultFileSystem(fileSystem, { faults });
  const opened = await openTable(disk, { seed: seed + 1 });
  before = await visible(opened);
  for (const [index, step] of steps.entries()) {
    if (step.kind === 'append' || step.kind === 'replace') {
      underWay = await commitOf(opened, step, index);
      await opened.table.commit(underWay);
      underWay = undefined;
      // Looking is no part of the work; what follows is held to what it sees.
      before = undefined;
    } else if (step.kind === 'evolve') {
      const column = { name: `added_${index}`, type: 'long', personal: false } as const;
      // While it is under way it may be seen or not; its images say nothing.
      before = undefined;
      await opened.table.evolve([{ kind: 'add', column }]);
    } else if (step.kind === 'expire') {
      await opened.table.expireSnapshots({ olderThanMicros: 2 ** 52, keepLast: step.choice % 3 });
    } else {
      await opened.table.collectOrphans({ dryRun: false, olderThanMicros: 2 ** 52 });
    }
    before = await visible(opened);
  }
  return images;
}

async function checkImage({ fileSystem, before, underWay }: Image): Promise<void> {
  const opened = await openTable(fileSystem, { seed: 77 });
  await requireClosed(opened);
  const found = await visible(opened);
  if (underWay === undefined) {
    assert.deepEqual(found, before);
    return;
  }
  const remaining = before.locations.filter((location) => !underWay.remove.includes(location));
  const after: Visible = {
    ...before,
    locations: [...remaining, ...underWay.add.map(({ location }) => location)].sort(),
    sequence: underWay.sequence ?? before.sequence,
  };
  const wasCommitted = found.locations.includes(underWay.add[0]!.location);
  assert.deepEqual(found, wasCommitted ? after : before);
  // The caller, who knows nothing, commits again; twice, to be sure.
  for (let round = 0; round < 2; round += 1) await opened.table.commit(underWay);
  assert.deepEqual(await visible(opened), after);
  await requireClosed(opened);
}

const step = fc.record({
  kind: fc.constantFrom(
    'append' as const,
    'append' as const,
    'replace' as const,
    'evolve' as const,
    'expire' as const,
    'collect' as const,
  ),
  choice: fc.nat(10),
});

describe('a lake table at a crash', () => {
  it('at any operation of any work, is the old one or the new one, whole', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 2, maxLength: 7 }),
        fc.nat(),
        async (steps, seed) => {
          const images = await run(steps, seed);
          // A tenth of them each run, another tenth the next: all operations are met many times over.
          for (const [index, image] of images.entries()) {
            if ((index + seed) % 10 === 0) await checkImage(image);
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  it('at every operation of one commit that adds and removes', async () => {
    const steps: Step[] = [
      { kind: 'append', choice: 0 },
      { kind: 'append', choice: 0 },
      { kind: 'replace', choice: 1 },
    ];
    const images = await run(steps, 4242);
    const last = images.filter(({ underWay }) => underWay?.operation === 'replace');
    assert.ok(last.length > 40);
    for (const image of last) await checkImage(image);
  });
});

describe('the crash test itself', () => {
  it('a disk that lies about syncs is found out', async () => {
    const lies = [{ operation: 'sync', result: 'ignored', lasting: true }] as const;
    const steps: Step[] = [0, 1, 2].map((choice) => ({ kind: 'append', choice }));
    let violations = 0;
    for (const image of await run(steps, 99, lies)) {
      await checkImage(image).catch(() => {
        violations += 1;
      });
    }
    assert.ok(violations > 0);
  });
});

describe('a lake table on a bad disk', () => {
  const failing = [
    { operation: 'write', result: 'EIO' },
    { operation: 'write', result: 'ENOSPC' },
    { operation: 'sync', result: 'EIO' },
    { operation: 'link', result: 'EIO' },
    { operation: 'syncDirectory', result: 'EIO' },
  ] as const;

  for (const { operation, result } of failing) {
    it(`${result} on any ${operation} of a commit: refused, or there after a restart`, async () => {
      for (let after = 0; after < 8; after += 1) {
        const memory = new MemoryFileSystem();
        const setUp = await openTable(memory);
        const first = await commitOf(setUp, { kind: 'append', choice: 0 }, 0);
        await setUp.table.commit(first);
        const second = await commitOf(setUp, { kind: 'append', choice: 0 }, 1);

        const path = '/metadata';
        const fault = operation === 'link' || operation === 'syncDirectory' ? { path } : {};
        const fileSystem = new FaultFileSystem(memory, {
          faults: [{ operation, result, after, ...fault }],
          onSyncFailed: (failed) => memory.dropUnsynced(failed),
        });
        const outcome = await commitOnce(fileSystem, second);
        for (let crash = 0; crash < 4; crash += 1) {
          const image = memory.crash(crash);
          const reopened = await openTable(image);
          await requireClosed(reopened);
          const locations = await locationsOf(reopened.table);
          if (outcome === 'committed') assert.ok(locations.includes(second.add[0]!.location));
          await reopened.table.commit(second);
          const files = [...first.add, ...second.add].map(({ location }) => location);
          assert.deepEqual(await locationsOf(reopened.table), files);
        }
      }
    });
  }

  it('after a commit of unknown outcome takes no other until it is opened again', async () => {
    const memory = new MemoryFileSystem();
    await openTable(memory);
    const fileSystem = new FaultFileSystem(memory, {
      // Manifest and list are synced before; the third is that of the version, behind its link.
      faults: [{ operation: 'syncDirectory', result: 'EIO', path: '/metadata', after: 3 }],
    });
    const opened = await openTable(fileSystem, { seed: 3 });
    const commit = await commitOf(opened, { kind: 'append', choice: 0 }, 0);
    for (let round = 0; round < 2; round += 1) {
      await assert.rejects(
        opened.table.commit(commit),
        (error) => error instanceof TributaryError && error.code === 'TRIBUTARY_LAKE_POISONED',
      );
    }
    assert.equal(opened.table.currentSnapshot, undefined, 'readers do not see it either');
    const reopened = await openTable(memory, { seed: 4 });
    await reopened.table.commit(commit);
    assert.equal((await reopened.table.liveFiles()).length, 1);
  });

  it('that was full goes on when there is room again', async () => {
    const memory = new MemoryFileSystem();
    const fileSystem = new FaultFileSystem(memory, {
      faults: [{ operation: 'write', result: 'ENOSPC', after: 4 }],
    });
    const opened = await openTable(fileSystem);
    const commit = await commitOf(opened, { kind: 'append', choice: 0 }, 0);
    await assert.rejects(opened.table.commit(commit));
    assert.deepEqual(await memory.list('/lake/.staging'), []);
    await opened.table.commit(commit);
    assert.equal((await opened.table.liveFiles()).length, 1);
  });
});

async function commitOnce(
  fileSystem: FaultFileSystem,
  commit: LakeCommit,
): Promise<'committed' | 'failed'> {
  try {
    const { table } = await openTable(fileSystem, { seed: 2 });
    await table.commit(commit);
    return 'committed';
  } catch {
    return 'failed';
  }
}
