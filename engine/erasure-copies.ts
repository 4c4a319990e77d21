/**
 * Where on the disk of the appliance copies of what was erased may still lie. Every place is bounded by what the
 * appliance does anyway; docs/erasure.md says by what and how soon.
 *
 * - `files`: live data files of the lake, which queries of ours leave the rows out of.
 * - `snapshots`: files that only older snapshots refer to; other engines may be reading them.
 * - `identity`: the tables `identifiers` and `profiles`, which are written every so often.
 * - `checkpoints`: the older of the two that are kept.
 * - `log`: payloads as they were sent.
 *
 * Not looked for: objects of a flush that was killed, which go as orphans (a week), and what lies in memory.
 */

import { native } from '../native/index.ts';
import { parseCheckpointFileName } from '../storage/checkpoint-format.ts';
import { listCheckpoints } from '../storage/checkpoint-reader.ts';
import type { FileSystem } from '../storage/file-system.ts';
import type { LakeTable } from '../storage/lake/lake-table.ts';
import { walFloorOf } from '../storage/wal-extent.ts';
import type { Erasure } from './erasure-ledger.ts';

export const COPY_PLACES = ['files', 'snapshots', 'identity', 'checkpoints', 'log'] as const;
export type CopyPlace = (typeof COPY_PLACES)[number];

/** Commits of one millisecond have times of their own, which may lie a little ahead. */
const SECOND_MICROS = 1_000_000;

export interface CopySource {
  readonly fileSystem: FileSystem;
  readonly walDirectory: string;
  /** Undefined where none are made. */
  readonly checkpointDirectory: string | undefined;
  readonly tables: readonly LakeTable[];
  /** What `identifiers` and `profiles` are written up to; undefined where they are not. */
  readonly identitySequence: number | undefined;
}

/** The places that may hold a copy, of each erasure. @throws the file system's error. */
export async function placesOfCopies(
  source: CopySource,
  erasures: readonly Erasure[],
): Promise<Map<string, CopyPlace[]>> {
  const { checkpointDirectory, fileSystem, identitySequence, tables, walDirectory } = source;
  const logFloor = await walFloorOf(fileSystem, walDirectory, native.crc32c);
  const names =
    checkpointDirectory === undefined ? [] : await listCheckpoints(fileSystem, checkpointDirectory);
  const oldestCheckpoint = Math.min(...names.map((name) => parseCheckpointFileName(name)!));
  const oldestSnapshot = Math.min(...tables.map(oldestOf));
  return new Map(
    erasures.map(({ id, rewritten, sequence }): [string, CopyPlace[]] => {
      const holds: Readonly<Record<CopyPlace, boolean>> = {
        files: rewritten === null,
        snapshots: rewritten === null || oldestSnapshot <= rewritten.atMicros + SECOND_MICROS,
        identity: identitySequence !== undefined && identitySequence < sequence,
        checkpoints: oldestCheckpoint <= sequence,
        log: logFloor <= sequence,
      };
      return [id, COPY_PLACES.filter((place) => holds[place])];
    }),
  );
}

/** When the oldest snapshot behind the current one was committed; Infinity without one. */
function oldestOf({ currentSnapshot, snapshots }: LakeTable): number {
  return Math.min(
    ...snapshots
      .filter(({ snapshotId }) => snapshotId !== currentSnapshot?.snapshotId)
      .map(({ committedAtMicros }) => committedAtMicros),
  );
}
