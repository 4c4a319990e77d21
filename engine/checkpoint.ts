/**
 * Checkpoints of a tenant: what is folded from its log beside the rows of tables, as one file, so that a
 * start replays only what came later. What is in a checkpoint: identity, the duplicate window, the
 * configuration and the next sequence. The rows are in the lake by then.
 *
 * - Restoring it and replaying the rest of the log gives the state that replaying all of the log gives, byte
 *   for byte (tests/engine/checkpoint.test.ts).
 * - A checkpoint that is damaged is reported and passed over, never trusted.
 * - Two are kept, and the log from the older one on (log-trim.ts): either is enough to start from.
 */
import { TributaryError } from '../base/errors.ts';
import { native } from '../native/index.ts';
import { parseCheckpointFileName } from '../storage/checkpoint-format.ts';
import { CheckpointReader, listCheckpoints } from '../storage/checkpoint-reader.ts';
import { writeCheckpoint } from '../storage/checkpoint-writer.ts';
import type { FileSystem } from '../storage/file-system.ts';
import type { StatePart } from '../storage/state-part.ts';
import { walBeginning } from '../storage/wal-start.ts';
import type { RecoveredState } from './recovery.ts';

export interface CheckpointPlace {
  readonly fileSystem: FileSystem;
  /** Holds checkpoints of one tenant and nothing else. It exists. */
  readonly directory: string;
  readonly tenantId: string;
}

/** What a checkpoint keeps of a state at rest. */
export function stateParts({ fold, stager }: Omit<RecoveredState, 'recovery'>): StatePart[] {
  return [...fold.state(), ...stager.state()];
}

/**
 * Writes the checkpoint of a state that nobody adds to.
 * @returns its size, bytes. @throws the file system's error.
 */
export function saveCheckpoint(place: CheckpointPlace, state: RecoveredState): Promise<number> {
  return writeCheckpoint({
    ...place,
    crc32c: native.crc32c,
    nextSequence: state.recovery.nextSequence,
    parts: stateParts(state),
  });
}

/**
 * Opens the newest checkpoint that is sound.
 * @param sequenceMax the last that it may have: rows up to there are in the lake.
 * @param onUnusable is told of each damaged one that is newer, which is passed over.
 * @returns undefined when there is none; else the caller's to close. @throws the file system's error.
 */
export async function openNewestCheckpoint(
  { fileSystem, directory, tenantId }: CheckpointPlace,
  sequenceMax: number,
  onUnusable: (error: TributaryError) => void,
): Promise<CheckpointReader | undefined> {
  const { crc32c } = native;
  for (const name of await listCheckpoints(fileSystem, directory)) {
    if (parseCheckpointFileName(name)! > sequenceMax + 1) continue;
    const path = `${directory}/${name}`;
    try {
      return await CheckpointReader.open({ fileSystem, path, tenantId, crc32c });
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      onUnusable(error);
    }
  }
  return undefined;
}

export interface StartOptions extends CheckpointPlace {
  readonly walDirectory: string;
  /** The last sequence of which all rows are in the lake. */
  readonly flushedSequence: number;
  /** Go on without the beginning of the log, where there never was a checkpoint either. */
  readonly acceptDataLoss: boolean;
  /** Is told of each damaged checkpoint. */
  readonly onUnusable: (error: TributaryError) => void;
}

/**
 * Opens what a start begins with: the newest sound checkpoint, and none where the log is whole without one.
 * @throws TRIBUTARY_STORAGE_CHECKPOINTS_LOST when the log begins behind it, and as {@link openNewestCheckpoint}.
 */
export async function openStartingPoint(
  options: StartOptions,
): Promise<CheckpointReader | undefined> {
  const { fileSystem, directory, walDirectory, flushedSequence } = options;
  const checkpoint = await openNewestCheckpoint(options, flushedSequence, options.onUnusable);
  const { crc32c } = native;
  const beginning = await walBeginning({ fileSystem, directory: walDirectory, crc32c });
  const needed = checkpoint?.nextSequence ?? 1;
  if (beginning <= needed) return checkpoint;
  await checkpoint?.close();
  const names = await listCheckpoints(fileSystem, directory);
  if (names.length === 0 && options.acceptDataLoss) return undefined;
  throw new TributaryError('TRIBUTARY_STORAGE_CHECKPOINTS_LOST', {
    path: walDirectory,
    beginning,
    needed,
    checkpoints: names.length === 0 ? 'none' : names.join(', '),
    lakeSequence: flushedSequence,
  });
}

/** Removes the checkpoints older than the newest of `kept`, but for those kept, for good. */
export async function removeOldCheckpoints(
  { fileSystem, directory }: CheckpointPlace,
  kept: readonly number[],
): Promise<void> {
  const newest = Math.max(...kept);
  for (const name of await listCheckpoints(fileSystem, directory)) {
    const sequence = parseCheckpointFileName(name)!;
    if (sequence < newest && !kept.includes(sequence)) {
      await fileSystem.unlink(`${directory}/${name}`);
    }
  }
  await fileSystem.syncDirectory(directory);
}
