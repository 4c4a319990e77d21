/** A disk that forgets: one bit turns, or a whole sector does, and nobody is told. */
import type { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import type { Dice } from './dice.ts';

const SECTOR_BYTES = 512;
/** Also by the name it was staged under, which a crash may leave behind. */
const DATA_FILE = /\.parquet$|\/\.staging\//;

export interface Damage {
  readonly kind: 'bit flip' | 'garbled sector';
  readonly where: string;
}

/** Damages one file by the seed, the lake's data files aside: their checksums are Parquet's own; undefined when there is none. */
export function decay(fileSystem: MemoryFileSystem, dice: Dice): Damage | undefined {
  const files = [...fileSystem.files()].filter(
    ({ path, bytes }) => bytes.length > 0 && !DATA_FILE.test(path),
  );
  if (files.length === 0) return undefined;
  const { path, bytes } = dice.pick(files);
  const position = dice.below(bytes.length);
  if (dice.chance(0.7)) {
    const bit = dice.below(8);
    fileSystem.decay(path, position, 1 << bit);
    return { kind: 'bit flip', where: `bit ${bit} of byte ${position} of ${path}` };
  }
  const sector = position - (position % SECTOR_BYTES);
  for (let index = 0; index < SECTOR_BYTES; index += 1) {
    fileSystem.decay(path, sector + index, dice.below(256));
  }
  return { kind: 'garbled sector', where: `the sector at ${sector} of ${path}` };
}
