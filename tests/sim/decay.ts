/** A disk that forgets: one bit turns, or a whole sector does, and nobody is told. */
import type { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { BACKUP_DIRECTORY } from './backups.ts';
import type { Dice } from './dice.ts';

const SECTOR_BYTES = 512;
/** Also by the name it was staged under, which a crash may leave behind. */
const DATA_FILE = /\.parquet$|\/\.staging\//;
const BACKUP = new RegExp(`^${BACKUP_DIRECTORY}/`);

const CHECKPOINT = /\/checkpoints\/checkpoint-/;
/** Of the disks that decay: all of them, and those with two checkpoints, whose newest then does. */
const DECAY_SHARE = 0.3;
const SPARE_SHARE = 0.8;

export interface Damage {
  readonly kind: 'bit flip' | 'garbled sector';
  readonly where: string;
  /** Whether there is something to start from nevertheless. */
  readonly isSpare: boolean;
}

/**
 * Damages one file by the seed, or none, which is undefined. The lake's data files are left alone, since their
 * checksums are Parquet's own, and so are backups.
 */
export function decay(fileSystem: MemoryFileSystem, dice: Dice): Damage | undefined {
  const files = [...fileSystem.files()].filter(
    ({ path, bytes }) => bytes.length > 0 && !DATA_FILE.test(path) && !BACKUP.test(path),
  );
  const checkpoints = files.filter(({ path }) => CHECKPOINT.test(path));
  const isSpare = checkpoints.length > 1 && dice.chance(SPARE_SHARE);
  if (files.length === 0 || !(isSpare || dice.chance(DECAY_SHARE))) return undefined;
  checkpoints.sort((a, b) => (a.path < b.path ? -1 : 1));
  const { path, bytes } = isSpare ? checkpoints.at(-1)! : dice.pick(files);
  const position = dice.below(bytes.length);
  if (dice.chance(0.7)) {
    const bit = dice.below(8);
    fileSystem.decay(path, position, 1 << bit);
    return { isSpare, kind: 'bit flip', where: `bit ${bit} of byte ${position} of ${path}` };
  }
  const sector = position - (position % SECTOR_BYTES);
  for (let index = 0; index < SECTOR_BYTES; index += 1) {
    fileSystem.decay(path, sector + index, dice.below(256));
  }
  return { isSpare, kind: 'garbled sector', where: `the sector at ${sector} of ${path}` };
}
