/**
 * Identity at a checkpoint as lines of JSON, at the port where the appliance starts a process that writes Parquet:
 * whom each identifier belongs to, and who there is. Of the columns there are those that the judge reads.
 */
import { openNewestCheckpoint } from '../../engine/checkpoint.ts';
import { EventFold } from '../../engine/event-fold.ts';
import { HotStore } from '../../engine/hot-store.ts';
import type {
  IdentityFile,
  IdentityRequest,
  IdentityWriter,
  WrittenIdentity,
} from '../../engine/identity-writer.ts';
import { parseTenantSecret } from '../../engine/tenant-secret.ts';
import type { IdentityGraph } from '../../identity/identity-graph.ts';
import { type FileSystem, readFile } from '../../storage/file-system.ts';
import { plainMetrics, writeLines } from './plain-encoder.ts';
import type { ShownRow } from './shown-rows.ts';

export function plainIdentityWriter(fileSystem: FileSystem): IdentityWriter {
  return {
    write: (request) => write(fileSystem, request),
    close: () => Promise.resolve(),
  };
}

async function write(fileSystem: FileSystem, request: IdentityRequest): Promise<WrittenIdentity> {
  const { afterSequence, capacities, checkpointDirectory, secretFile, tenantId } = request;
  const place = { fileSystem, directory: checkpointDirectory, tenantId };
  const checkpoint = await openNewestCheckpoint(place, request.sequenceMax, () => {});
  const sequence = (checkpoint?.nextSequence ?? 0) - 1;
  if (checkpoint === undefined || sequence <= afterSequence) {
    await checkpoint?.close();
    return { sequence: afterSequence, files: [] };
  }
  const secret = parseTenantSecret(await readFile(fileSystem, secretFile), secretFile);
  const hot = new HotStore(request.hotDirectory, Number.MAX_SAFE_INTEGER, capacities);
  const fold = new EventFold({ hot, secret, nodesMax: capacities.identityNodes });
  try {
    await fold.restore(checkpoint);
    const tables = rowsOf(fold.identity, sequence);
    const files: IdentityFile[] = [];
    for (const { name, columns } of request.tables) {
      const path = `${request.output}-${files.length}`;
      const rows = tables[name] ?? [];
      await writeLines(fileSystem, path, rows);
      const metrics = plainMetrics(columns, rows.length);
      files.push({ table: name, path, rows: rows.length, columns: metrics, splitOffsets: [] });
    }
    return { sequence, files };
  } finally {
    fold.close();
    hot.close();
    await checkpoint.close();
  }
}

function rowsOf(identity: IdentityGraph, sequence: number): Record<string, ShownRow[]> {
  const { profiles } = identity;
  const identifiers: ShownRow[] = [];
  const people = new Map<number, ShownRow>();
  for (let anchor = 1; anchor <= profiles.anchorCount; anchor += 1) {
    const profile = profiles.profileOf[anchor]!;
    if (profile === 0) continue;
    const profile_id = profiles.idOf(profile);
    const node = profiles.nodeOf(anchor);
    const [type, value] = [identity.typeOf(node), identity.valueOf(node)];
    identifiers.push({ sequence, anchor, profile, profile_id, type, value });
    people.set(profile, { sequence, profile, profile_id });
  }
  return { identifiers, profiles: [...people.values()] };
}
