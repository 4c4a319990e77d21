/** What compaction decides to rewrite, without any file. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CompactionLimits, planCompaction } from '../../storage/lake/compaction-plan.ts';
import type { LiveFile } from '../../storage/lake/data-file.ts';

const TODAY = 100;
const LIMITS: CompactionLimits = { targetBytes: 256, smallBytes: 128, filesMin: 4, filesMax: 8 };

let named = 0;
function file(fileBytes: number, day: number | null = TODAY, sorted = false): LiveFile {
  named += 1;
  return {
    location: `s3://lake/t/data/${named}.parquet`,
    day,
    recordCount: fileBytes,
    fileBytes,
    columns: new Map(),
    splitOffsets: [4],
    sorted,
    snapshotId: BigInt(named),
  };
}

const sizesOf = (files: readonly LiveFile[]): number[][] =>
  planCompaction(files, TODAY, LIMITS).map((job) => job.files.map(({ fileBytes }) => fileBytes));

test('a growing day waits for enough small files of one size', () => {
  const three = [file(20), file(21), file(22)];
  assert.deepEqual(sizesOf(three), []);
  assert.deepEqual(sizesOf([...three, file(23)]), [[20, 21, 22, 23]]);
  assert.deepEqual(
    sizesOf([...three, file(90)]),
    [],
    'a large one is not rewritten for small ones',
  );
  assert.deepEqual(sizesOf([...three, file(23, TODAY, true)]), [[20, 21, 22, 23]]);
});

test('files of different days and tables of one partition are never mixed', () => {
  const files = [1, 2, 3, 4].flatMap((size) => [file(16 + size), file(16 + size, null)]);
  const jobs = planCompaction(files, TODAY, LIMITS);
  assert.deepEqual(jobs.map(({ day }) => day).sort(), [TODAY, null]);
  for (const { day, files: own } of jobs) assert.ok(own.every((each) => each.day === day));
});

test('a day that is over is compacted until its files are large and sorted', () => {
  const yesterday = TODAY - 1;
  assert.deepEqual(sizesOf([file(10, yesterday)]), [[10]], 'a single unsorted file is sorted');
  assert.deepEqual(sizesOf([file(10, yesterday, true)]), []);
  assert.deepEqual(sizesOf([file(10, yesterday, true), file(11, yesterday, true)]), [[10, 11]]);
  assert.deepEqual(sizesOf([file(200, yesterday, true), file(130, yesterday, true)]), []);
  assert.deepEqual(sizesOf([file(500, yesterday)]), [[500]], 'one beyond the target goes alone');
});

test('a job has at most the files and bytes of its limits, and the next one goes on', () => {
  const many = Array.from({ length: 9 }, () => file(1, TODAY - 1));
  assert.deepEqual(sizesOf(many), [Array(8).fill(1), [1]]);
  const large = [file(128, TODAY - 1), file(128, TODAY - 1), file(1, TODAY - 1)];
  assert.deepEqual(sizesOf(large), [[128, 128], [1]]);
});

test('jobs never share a file, and doing them comes to rest', () => {
  const files = fc.array(
    fc.record({
      fileBytes: fc.integer({ min: 1, max: 400 }),
      day: fc.constantFrom(TODAY, TODAY - 1, TODAY - 2, null),
      sorted: fc.boolean(),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(files, fc.double({ min: 0.3, max: 1.2, noNaN: true }), (drawn, ratio) => {
      let live = drawn.map(({ fileBytes, day, sorted }) => file(fileBytes, day, sorted));
      const rows = live.reduce((sum, { recordCount }) => sum + recordCount, 0);
      for (let round = 0; ; round += 1) {
        assert.ok(round < 200, 'compaction comes to rest');
        const jobs = planCompaction(live, TODAY, LIMITS);
        const taken = jobs.flatMap((job) => job.files);
        assert.equal(new Set(taken).size, taken.length);
        const [job] = jobs;
        if (job === undefined) break;
        const bytes = job.files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
        assert.ok(job.files.length <= LIMITS.filesMax);
        assert.ok(job.files.length === 1 || bytes <= LIMITS.targetBytes);
        const merged = {
          ...file(Math.max(1, Math.floor(bytes * ratio)), job.day, true),
          recordCount: job.files.reduce((sum, { recordCount }) => sum + recordCount, 0),
        };
        live = [...live.filter((each) => !job.files.includes(each)), merged];
      }
      assert.equal(
        live.reduce((sum, { recordCount }) => sum + recordCount, 0),
        rows,
      );
      assert.ok(live.every(({ day, sorted }) => sorted || day === null || day === TODAY));
    }),
  );
});
