/**
 * The port through which identity, as a checkpoint has it, is written as data files of the lake.
 * query/identity-process.ts is the one of the appliance.
 *
 * Why from a checkpoint: what serves changes with every event. A checkpoint is the fold of the log up to a
 * sequence, and nothing behind it, so that two tables written from it agree with each other and with events.
 */
import type { ColumnMetrics } from '../storage/lake/data-file.ts';
import type { LakeColumn } from '../storage/lake/schema.ts';
import type { TenantCapacities } from './capacities.ts';
import type { TraitColumn } from './trait-columns.ts';

/** Plain data, so that it crosses to a process. */
export interface IdentityRequest {
  readonly tenantId: string;
  readonly secretFile: string;
  readonly checkpointDirectory: string;
  /** The writer's own, in shared memory; whoever gives the request removes it. */
  readonly hotDirectory: string;
  readonly capacities: TenantCapacities;
  /** How many there are by now; the checkpoint has no more. */
  readonly identifiers: number;
  /** Checkpoints of up to here are used, the newest that is sound; their rows are in the lake. */
  readonly sequenceMax: number;
  /** Where the tables are already. */
  readonly afterSequence: number;
  /** What the paths of new files begin with; there are none yet. */
  readonly output: string;
  /** A directory that exists. */
  readonly temporaryDirectory: string;
  readonly tables: readonly {
    readonly name: string;
    readonly columns: readonly LakeColumn[];
  }[];
  /** The columns of `profiles` that have values of traits; a column that nothing names is null. */
  readonly traits: readonly TraitColumn[];
}

export interface IdentityFile {
  readonly table: string;
  readonly path: string;
  readonly rows: number;
  /** By field id; personal columns without bounds. */
  readonly columns: ReadonlyMap<number, ColumnMetrics>;
  readonly splitOffsets: readonly number[];
}

export interface WrittenIdentity {
  /**
   * Of the checkpoint. Up to `afterSequence`, nothing was written: there is none behind it, or not all values of
   * the traits are kept in it.
   */
  readonly sequence: number;
  /** Not synced. Those of a table are in its order. */
  readonly files: readonly IdentityFile[];
}

export interface IdentityWriter {
  /**
   * Writes files for the whole of each table. One request runs at a time.
   * @throws TRIBUTARY_LAKE_REWRITE_FAILED; some of the files may be there.
   */
  write(request: IdentityRequest): Promise<WrittenIdentity>;
  /** Ends the request under way, which fails. Idempotent. */
  close(): Promise<void>;
}
