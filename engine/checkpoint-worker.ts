/**
 * The program that makes a checkpoint: begins with the last one, replays the log up to a sequence into hot
 * tables of its own, and saves what is folded. An order on standard input, an answer on standard output
 * (checkpoint-order.ts).
 *
 * Why a process: the state of the serving process changes all the time. This one is folded by the same code
 * from what is durable, at the lowest priority, without a word to the write path.
 *
 * - Rows are let go as they are published: they are in the lake already.
 * - It may be killed at any time: a checkpoint is there whole, or not at all.
 */
import { text } from 'node:stream/consumers';
import { native } from '../native/index.ts';
import { readFile } from '../storage/file-system.ts';
import type { HotTable } from '../storage/hot-table.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import { openNewestCheckpoint, removeOldCheckpoints, saveCheckpoint } from './checkpoint.ts';
import type { CheckpointAnswer, CheckpointOrder } from './checkpoint-order.ts';
import { HotStore } from './hot-store.ts';
import { recoverTenant } from './recovery.ts';
import type { FlooredTable } from './replay-floors.ts';
import { parseTenantSecret } from './tenant-secret.ts';

/** There is no list of cold files, and nobody to read one. */
const NO_COLD_FILES = 0;

async function carryOut(order: CheckpointOrder): Promise<CheckpointAnswer> {
  const { tenantId, secretFile, walDirectory, checkpointDirectory, sequence, capacities } = order;
  const fileSystem = new NodeFileSystem({
    allocateAligned: (bytes) => native.allocateAligned(bytes),
  });
  const place = { fileSystem, directory: checkpointDirectory, tenantId };
  // A damaged one was reported by the start, or will be.
  const checkpoint = await openNewestCheckpoint(place, sequence, () => {});
  // Rows leave as they come: what is bounded is the pace at which they are let go.
  const hot = new HotStore(order.hotDirectory, Number.MAX_SAFE_INTEGER, capacities);
  const state = await recoverTenant({
    id: tenantId,
    sources: order.sources,
    secret: parseTenantSecret(await readFile(fileSystem, secretFile), secretFile),
    fileSystem,
    walDirectory,
    hot,
    capacities,
    cold: hot.tables.map((table) => coldUpTo(table, sequence)),
    checkpoint,
    toSequence: sequence + 1,
    acceptDataLoss: false,
  });
  const bytes = await saveCheckpoint(place, state);
  await removeOldCheckpoints(place);
  await checkpoint?.close();
  state.stager.close();
  state.fold.close();
  hot.close();
  return { bytes, events: state.recovery.events };
}

function coldUpTo(hot: HotTable, watermark: number): FlooredTable {
  return { hot, watermark, skipTo: (floorRow) => hot.setCold(floorRow, NO_COLD_FILES) };
}

const order = JSON.parse(await text(process.stdin)) as CheckpointOrder;
process.stdout.write(`${JSON.stringify(await carryOut(order))}\n`);
