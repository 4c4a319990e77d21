/**
 * Checkpoints of a tenant: what is folded from its log beside the rows of tables, as one file, so that a
 * start replays only what came later. What is in a checkpoint: identity, the duplicate window, the
 * configuration and the next sequence. The rows are in the lake by then.
 *
 * - It is a cache of the log: restoring it and replaying the rest gives the state that replaying all of
 *   the log gives, byte for byte (tests/engine/checkpoint.test.ts).
 * - A checkpoint that is damaged is reported and passed over, never trusted.
 */
import { TributaryError } from '../base/errors.ts';
import { native } from '../native/index.ts';
import { parseCheckpointFileName } from '../storage/checkpoint-format.ts';
import { CheckpointReader, listCheckpoints } from '../storage/checkpoint-reader.ts';
import { writeCheckpoint } from '../storage/checkpoint-writer.ts';
import type { FileSystem } from '../storage/file-system.ts';
import type { StatePart } from '../storage/state-part.ts';
import type { RecoveredState } from './recovery.ts';

/** A newer one that decays leaves one to start from. */
const CHECKPOINTS_KEPT = 2;

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

/** Removes all but the newest checkpoints. @throws the file system's error. */
export async function removeOldCheckpoints({
  fileSystem,
  directory,
}: CheckpointPlace): Promise<void> {
  const names = await listCheckpoints(fileSystem, directory);
  for (const name of names.slice(CHECKPOINTS_KEPT)) {
    await fileSystem.unlink(`${directory}/${name}`);
  }
}
