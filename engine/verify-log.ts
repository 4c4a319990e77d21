/**
 * Reads what a start begins with to its last byte: the secret of a tenant, its checkpoints, its log. The log is
 * whole when it reaches from the oldest sound checkpoint to beyond the lake.
 *
 * Checkpoints and log are held while they are read (holdLog): an appliance that serves removes none of them.
 */
import { native } from '../native/index.ts';
import { CheckpointReader, listCheckpoints } from '../storage/checkpoint-reader.ts';
import { readFile } from '../storage/file-system.ts';
import { walAsOf, walExtents } from '../storage/wal-extent.ts';
import { readWal } from '../storage/wal-reader.ts';
import type { BackupSource } from './backup-plan.ts';
import { checkpointDirectoryOf, secretFileOf, walDirectoryOf } from './data-files.ts';
import { holdLog } from './log-trim.ts';
import { uuidBytes } from './recovery.ts';
import { parseTenantSecret } from './tenant-secret.ts';
import type { VerifyTally } from './verify-tally.ts';

/** @param watermark the last sequence of which the lake has rows, read before. @throws the file system's error. */
export async function verifyLog(
  source: BackupSource,
  tenantId: string,
  watermark: number,
  tally: VerifyTally,
): Promise<void> {
  const { fileSystem, dataDirectory } = source;
  const directory = walDirectoryOf(tenantId);
  const path = `${dataDirectory}/${directory}`;
  const hasLog = await fileSystem.exists(path);
  if (!(await verifySecret(source, tenantId, tally))) {
    if (hasLog) tally.find(secretFileOf(tenantId), 'it is not there');
    return;
  }
  if (!hasLog) return tally.find(directory, 'it is not there');
  const release = await holdLog(fileSystem, path);
  if (release === undefined) return tally.find(directory, 'it cannot be held');
  try {
    const starts = await verifyCheckpoints(source, tenantId, tally);
    await verifyRecords(source, tenantId, { starts, watermark }, tally);
  } finally {
    await release();
  }
}

/** @returns whether it is there. */
async function verifySecret(
  { fileSystem, dataDirectory }: BackupSource,
  tenantId: string,
  tally: VerifyTally,
): Promise<boolean> {
  const path = secretFileOf(tenantId);
  if (!(await fileSystem.exists(`${dataDirectory}/${path}`))) return false;
  const secret = await readFile(fileSystem, `${dataDirectory}/${path}`);
  tally.add(secret.length);
  await tally.check(path, async () => parseTenantSecret(secret, path));
  return true;
}

/** @returns the sequences that sound checkpoints start from. */
async function verifyCheckpoints(
  { fileSystem, dataDirectory }: BackupSource,
  tenantId: string,
  tally: VerifyTally,
): Promise<number[]> {
  const directory = checkpointDirectoryOf(tenantId);
  if (!(await fileSystem.exists(`${dataDirectory}/${directory}`))) return [];
  const { crc32c } = native;
  const starts: number[] = [];
  for (const name of await listCheckpoints(fileSystem, `${dataDirectory}/${directory}`)) {
    const path = `${dataDirectory}/${directory}/${name}`;
    const checkpoint = await tally.check(`${directory}/${name}`, () =>
      CheckpointReader.open({ fileSystem, path, tenantId, crc32c }),
    );
    tally.add((await fileSystem.status(path))?.bytes ?? 0);
    if (checkpoint === undefined) continue;
    starts.push(checkpoint.nextSequence);
    await checkpoint.close();
  }
  return starts;
}

async function verifyRecords(
  { fileSystem, dataDirectory }: BackupSource,
  tenantId: string,
  { starts, watermark }: { readonly starts: readonly number[]; readonly watermark: number },
  tally: VerifyTally,
): Promise<void> {
  const directory = walDirectoryOf(tenantId);
  const path = `${dataDirectory}/${directory}`;
  const extents = await walExtents(fileSystem, path);
  // What lies below the oldest sound checkpoint may be gone.
  const fromSequence = starts.length === 0 ? 1 : Math.min(...starts);
  const recovery = await tally.check(directory, () =>
    readWal(
      {
        fileSystem: walAsOf(fileSystem, path, extents),
        directory: path,
        tenantId: uuidBytes(tenantId),
        fromSequence,
        crc32c: native.crc32c,
      },
      () => {},
    ),
  );
  for (const { bytes } of extents) tally.add(bytes);
  if (recovery === undefined || recovery.nextSequence > watermark) return;
  const last = recovery.nextSequence - 1;
  tally.find(directory, `the log ends at sequence ${last}, the lake has ${watermark} already`);
}
