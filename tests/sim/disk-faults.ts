/**
 * What goes wrong with the disk of one life, drawn from the seed: nothing in half of them, else one or
 * two operations that fail, or a volume that fills up.
 */
import {
  type Fault,
  FaultFileSystem,
  type FaultOperation,
} from '../../storage/fault-file-system.ts';
import type { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import type { Dice } from './dice.ts';
import type { Tally } from './tally.ts';

const KINDS: readonly (readonly [FaultOperation, Fault['result']])[] = [
  ['write', 'EIO'],
  ['write', 'EIO'],
  ['write', 'short'],
  ['write', 'short'],
  ['sync', 'EIO'],
  ['sync', 'EIO'],
  ['syncDirectory', 'EIO'],
  ['read', 'EIO'],
  ['open', 'EMFILE'],
  ['rename', 'EIO'],
  ['unlink', 'EIO'],
  ['truncate', 'EIO'],
];

export class DiskFaults {
  /** Faults that struck so far. */
  struck = 0;
  readonly fileSystem: FaultFileSystem;

  /** @param note told of each fault that strikes, for the trace. */
  constructor(dice: Dice, memory: MemoryFileSystem, tally: Tally, note: (text: string) => void) {
    const isFaulty = dice.chance(0.5);
    const faults = isFaulty ? Array.from({ length: dice.between(1, 2) }, () => draw(dice)) : [];
    const isFull = isFaulty && dice.chance(0.2);
    this.fileSystem = new FaultFileSystem(memory, {
      faults,
      ...(isFull && { writableBytes: dice.between(4, 120) * 512 }),
      onFault: (operation, result, path) => {
        if (result !== 'short') this.struck += 1;
        tally.countFault(`${operation} ${result}`);
        note(`${operation} ${path} fails with ${result}`);
      },
      onSyncFailed: (path) => {
        // The kernel may have dropped the pages, kept them for later, or written them after all.
        if (dice.chance(0.6)) memory.dropUnsynced(path);
      },
    });
  }
}

function draw(dice: Dice): Fault {
  const [operation, result] = dice.pick(KINDS);
  const isFrequent = operation === 'write' || operation === 'sync' || operation === 'read';
  const after = dice.below(isFrequent ? 30 : 6);
  return { operation, result, after, lasting: result !== 'short' && dice.chance(0.2) };
}
