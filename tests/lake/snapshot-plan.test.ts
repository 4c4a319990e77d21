import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { DataFile } from '../../storage/lake/data-file.ts';
import { ENTRY, type ManifestEntry } from '../../storage/lake/manifest.ts';
import { describeManifest } from '../../storage/lake/manifest-list.ts';
import {
  hasLiveFiles,
  isLive,
  type LoadedManifest,
  planMerge,
  planSnapshot,
} from '../../storage/lake/snapshot-plan.ts';

let manifestCount = 0;

function fileAt(location: string): DataFile {
  const columns = new Map();
  return {
    location,
    day: 1,
    recordCount: 10,
    fileBytes: 5,
    columns,
    splitOffsets: [],
    sorted: false,
  };
}

function load(
  entries: readonly ManifestEntry[],
  commit: { snapshotId: bigint; sequenceNumber: number },
  length = 100,
): LoadedManifest {
  manifestCount += 1;
  const partition = { specId: 0, byDay: true };
  const manifest = describeManifest(
    `manifest ${manifestCount}`,
    length,
    entries,
    commit,
    partition,
  );
  return { manifest, entries };
}

describe('plan of a snapshot', () => {
  it('whatever is added and removed, the live files are those of a plain set', () => {
    const commits = fc.array(
      fc.record({ add: fc.nat(3), remove: fc.array(fc.nat(20), { maxLength: 3 }) }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(commits, (steps) => {
        let manifests: LoadedManifest[] = [];
        const live = new Map<string, number>();
        steps.forEach((step, index) => {
          const commit = { snapshotId: BigInt(index + 1), sequenceNumber: index + 1 };
          const add = Array.from({ length: step.add }, (_, file) => fileAt(`${index}/${file}`));
          const names = [...live.keys()];
          const remove = [
            ...new Set(step.remove.flatMap((choice) => names[choice % (names.length || 1)] ?? [])),
          ];
          const plan = planSnapshot(manifests, { ...commit, add, remove });
          assert.deepEqual(plan.unknown, []);
          assert.deepEqual(plan.removed.map(({ location }) => location).sort(), remove.sort());
          for (const location of remove) live.delete(location);
          for (const { location } of add) live.set(location, commit.sequenceNumber);
          const kept = manifests.filter(({ manifest }) => plan.kept.includes(manifest));
          manifests = [...kept, ...plan.written.map((entries) => load(entries, commit))];
          manifests = manifests.filter(({ manifest }) => hasLiveFiles(manifest));
          const found = manifests.flatMap(({ entries }) =>
            entries
              .filter(isLive)
              .map(({ file, sequenceNumber }) => [file.location, sequenceNumber] as const),
          );
          assert.deepEqual(new Map(found), live);
          assert.equal(found.length, live.size);
        });
      }),
    );
  });

  it('a file that no manifest holds is named, one that was removed before as well', () => {
    const commit = { snapshotId: 1n, sequenceNumber: 1 };
    const deleted: ManifestEntry = { ...commit, status: ENTRY.deleted, file: fileAt('gone') };
    const kept: ManifestEntry = { ...commit, status: ENTRY.existing, file: fileAt('kept') };
    const plan = planSnapshot([load([deleted, kept], commit)], {
      snapshotId: 2n,
      sequenceNumber: 2,
      add: [],
      remove: ['gone', 'kept', 'never'],
    });
    assert.deepEqual(plan.unknown, ['gone', 'never']);
  });
});

describe('plan of a merge', () => {
  const commit = { snapshotId: 1n, sequenceNumber: 1 };
  const manifests = (lengths: readonly number[]) =>
    lengths.map((length) => load([], commit, length).manifest);

  it('nothing is merged one below the limit, all small ones at it', () => {
    assert.deepEqual(planMerge(manifests([1, 1, 1]), 4, 100), []);
    assert.equal(planMerge(manifests([1, 1, 1, 1]), 4, 100)[0]?.length, 4);
  });

  it('groups stay within their size, large manifests alone', () => {
    const plan = planMerge(manifests([40, 60, 30, 100, 80, 20, 5]), 1, 100);
    assert.deepEqual(
      plan.map((group) => group.map(({ length }) => length)),
      [
        [40, 60],
        [80, 20],
      ],
    );
  });
});
