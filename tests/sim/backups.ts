/**
 * Backups: one is made beside a life that goes on, crashes and faults included, and put back after that life
 * into an empty directory. What it shows there is held against what the world knew when it was made: all that was
 * acknowledged before it began, nothing that came after it ended, and nothing invented.
 */
import type { Clock } from '../../base/clock.ts';
import { createBackup } from '../../engine/backup.ts';
import { restoreBackup } from '../../engine/restore.ts';
import { BackupRepository } from '../../storage/backup-repository.ts';
import type { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import type { SimulatedAppliance } from './appliance.ts';
import type { Witness } from './witness.ts';

export const BACKUP_DIRECTORY = '/var/backups';
export const RESTORED_DIRECTORY = '/var/restored';

export interface Backup {
  readonly id: string;
  /** What a restore of it is judged by. */
  readonly witness: Witness;
}

/** Makes one. @throws as createBackup does. */
export async function backUp(
  { source }: SimulatedAppliance,
  witness: Witness,
  clock: Clock,
): Promise<Backup> {
  const { durableCount } = witness;
  const repository = new BackupRepository(source.fileSystem, BACKUP_DIRECTORY);
  await repository.prepare();
  const { id } = await createBackup({ ...source, repository, clock });
  const known = witness.fork();
  known.durableCount = durableCount;
  return { id, witness: known };
}

/** Puts it back, beside what is there. @throws as restoreBackup does. */
export async function putBack(fileSystem: MemoryFileSystem, { id }: Backup): Promise<void> {
  const repository = new BackupRepository(fileSystem, BACKUP_DIRECTORY);
  const manifest = await repository.read(id);
  await restoreBackup({ fileSystem, repository, manifest, dataDirectory: RESTORED_DIRECTORY });
}
