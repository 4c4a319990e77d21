/**
 * Makes a checkpoint: begins with the last one, replays the log up to a sequence into hot tables of its own,
 * and saves what is folded. The log may be written meanwhile: what is read of it is durable.
 *
 * - Rows are let go as they are published: they are in the lake already.
 * - One at a time writes to a directory, whoever started it.
 *
 * Failure, or a kill at any point: a checkpoint is there whole, or not at all.
 */
import { type FileSystem, readFile } from '../storage/file-system.ts';
import type { HotTable } from '../storage/hot-table.ts';
import { openStartingPoint, saveCheckpoint } from './checkpoint.ts';
import type { CheckpointAnswer, CheckpointOrder } from './checkpoint-order.ts';
import { HotStore } from './hot-store.ts';
import { recoverTenant } from './recovery.ts';
import type { FlooredTable } from './replay-floors.ts';
import { parseTenantSecret } from './tenant-secret.ts';

/** There is no list of cold files, and nobody to read one. */
const NO_COLD_FILES = 0;

/**
 * @throws Error when another process makes one, TRIBUTARY_STORAGE_CHECKPOINTS_LOST, TRIBUTARY_STORAGE_WAL_*, and
 *   the file system's error.
 */
export async function makeCheckpoint(
  fileSystem: FileSystem,
  order: Omit<CheckpointOrder, 'dataBytesMax'>,
): Promise<CheckpointAnswer> {
  const release = await fileSystem.lock(order.checkpointDirectory, 'exclusive');
  if (release === undefined) throw new Error('another process makes a checkpoint');
  // Rows leave as they come: what is bounded is the pace at which they are let go.
  const hot = new HotStore(order.hotDirectory, Number.MAX_SAFE_INTEGER, order.capacities);
  try {
    return await foldAndSave(fileSystem, order, hot);
  } finally {
    hot.close();
    await release();
  }
}

async function foldAndSave(
  fileSystem: FileSystem,
  order: Omit<CheckpointOrder, 'dataBytesMax'>,
  hot: HotStore,
): Promise<CheckpointAnswer> {
  const { tenantId, secretFile, walDirectory, checkpointDirectory, sequence } = order;
  const { acceptDataLoss } = order;
  const place = { fileSystem, directory: checkpointDirectory, tenantId };
  const secret = parseTenantSecret(await readFile(fileSystem, secretFile), secretFile);
  // A damaged one was reported by the start, or will be.
  const base = await openStartingPoint({
    ...place,
    walDirectory,
    flushedSequence: sequence,
    acceptDataLoss,
    onUnusable: () => {},
  });
  const replaying = recoverTenant({
    id: tenantId,
    sources: order.sources,
    secret,
    fileSystem,
    walDirectory,
    hot,
    capacities: order.capacities,
    cold: hot.tables.map((table) => coldUpTo(table, sequence)),
    checkpoint: base,
    toSequence: sequence + 1,
    acceptDataLoss,
  });
  const state = await replaying.finally(() => base?.close());
  try {
    const bytes = await saveCheckpoint(place, state);
    const { nextSequence, events } = state.recovery;
    const answer = { nextSequence, bytes, events };
    return base === undefined ? answer : { ...answer, baseSequence: base.nextSequence };
  } finally {
    state.stager.close();
    state.fold.close();
  }
}

function coldUpTo(hot: HotTable, watermark: number): FlooredTable {
  return { hot, watermark, skipTo: (floorRow) => hot.setCold(floorRow, NO_COLD_FILES) };
}
