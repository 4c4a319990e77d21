/**
 * Identity as the newest checkpoint has it, restored into a hot directory where DuckDB can scan it. Whoever
 * works on it is a process beside the appliance: nothing else of the tenant is opened, and nothing is replayed.
 */
import { native } from '../native/index.ts';
import { type FileSystem, readFile } from '../storage/file-system.ts';
import { openNewestCheckpoint } from './checkpoint.ts';
import { EventFold } from './event-fold.ts';
import { HotStore } from './hot-store.ts';
import type { IdentityRequest } from './identity-writer.ts';
import { parseTenantSecret } from './tenant-secret.ts';

export interface IdentityAtCheckpoint {
  /** All that was said up to there, and nothing behind it. */
  readonly sequence: number;
  /** Ordinals given so far, from 1. */
  readonly anchors: number;
  readonly profiles: number;
  /** By what SQL reads a key of traits (identity/trait-store.ts). */
  readonly slotOf: (key: string) => number;
}

/**
 * Has `work` done over the newest sound checkpoint of the request, from which scans of this process read
 * meanwhile.
 * @returns undefined when there is no checkpoint behind `afterSequence`.
 * @throws what `work` throws, TRIBUTARY_STORAGE_REGION_FULL, and the file system's error.
 */
export async function withIdentity<Result>(
  request: Omit<IdentityRequest, 'output' | 'tables' | 'temporaryDirectory' | 'traits'>,
  fileSystem: FileSystem,
  work: (identity: IdentityAtCheckpoint) => Promise<Result>,
): Promise<Result | undefined> {
  const { checkpointDirectory: directory, tenantId, capacities, secretFile } = request;
  const place = { fileSystem, directory, tenantId };
  // A damaged one was reported by the start, or will be.
  const checkpoint = await openNewestCheckpoint(place, request.sequenceMax, () => {});
  if (checkpoint === undefined) return undefined;
  try {
    const sequence = checkpoint.nextSequence - 1;
    if (sequence <= request.afterSequence) return undefined;
    const secret = parseTenantSecret(await readFile(fileSystem, secretFile), secretFile);
    const hot = new HotStore(request.hotDirectory, Number.MAX_SAFE_INTEGER, capacities);
    const fold = new EventFold({ hot, secret, nodesMax: capacities.identityNodes });
    try {
      await fold.restore(checkpoint);
      const reason = native.openHotDirectory(hot.directory);
      if (reason !== '') throw new Error(reason);
      const { anchorCount: anchors, profileCount: profiles } = fold.identity.profiles;
      const slotOf = (key: string): number => fold.traits.slotOf(key);
      return await work({ sequence, anchors, profiles, slotOf });
    } finally {
      fold.close();
      hot.close();
    }
  } finally {
    await checkpoint.close();
  }
}
