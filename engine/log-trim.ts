/**
 * Lets go of what a new checkpoint makes unneeded: older checkpoints, and the files of the log that lie wholly
 * below the older of the two that are kept. Should the newest decay, the other one and the log behind it
 * are still a whole start.
 *
 * - The rows of what goes are in the lake: a checkpoint is of a sequence that is.
 * - The older one was read and held against its checksums a moment before, to make the newest from it.
 * - Nothing goes while somebody reads checkpoints and log together and says so (holdLog): a backup, a
 *   verification. It goes with the next checkpoint then.
 *
 * A kill, or a power cut that brings some of it back, leaves more than a start needs, and holes below it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { FileSystem } from '../storage/file-system.ts';
import { type CheckpointPlace, removeOldCheckpoints } from './checkpoint.ts';
import type { CheckpointAnswer } from './checkpoint-order.ts';

export interface LogTrimOptions {
  readonly place: CheckpointPlace;
  readonly walDirectory: string;
  /** Removes files wholly below a sequence, and says how many. */
  readonly removeLogBelow: (sequence: number) => Promise<number>;
}

/** How often, and how many times, a holder tries while files are being removed. */
const HOLD_RETRY_MS = 20;
const HOLD_ATTEMPTS_MAX = 500;

/** @returns how many files of the log went; undefined when somebody holds it. @throws the file system's error. */
export async function trimLog(
  { place, walDirectory, removeLogBelow }: LogTrimOptions,
  { nextSequence, baseSequence }: Pick<CheckpointAnswer, 'nextSequence' | 'baseSequence'>,
): Promise<number | undefined> {
  // Made again at the same sequence: there is one checkpoint, and what else there is stays.
  if (nextSequence === baseSequence) return 0;
  return unlessHeld(place.fileSystem, walDirectory, async () => {
    if (baseSequence === undefined) return 0;
    await removeOldCheckpoints(place, [nextSequence, baseSequence]);
    return removeLogBelow(baseSequence);
  });
}

/**
 * Does what must not happen while somebody reads checkpoints, lake and log of a tenant one after another.
 * @returns undefined when somebody does, and it was not done.
 */
export async function unlessHeld<Result>(
  fileSystem: Pick<FileSystem, 'lock'>,
  walDirectory: string,
  task: () => Promise<Result>,
): Promise<Result | undefined> {
  const release = await fileSystem.lock(walDirectory, 'exclusive');
  if (release === undefined) return undefined;
  try {
    return await task();
  } finally {
    await release();
  }
}

/**
 * Keeps the checkpoints and the log of a tenant from being removed, until what it returns is called or the
 * process ends. @returns undefined when it cannot be had for seconds.
 */
export async function holdLog(
  fileSystem: Pick<FileSystem, 'lock'>,
  walDirectory: string,
): Promise<(() => Promise<void>) | undefined> {
  for (let attempt = 0; attempt < HOLD_ATTEMPTS_MAX; attempt += 1) {
    const release = await fileSystem.lock(walDirectory, 'shared');
    if (release !== undefined) return release;
    await delay(HOLD_RETRY_MS);
  }
  return undefined;
}
