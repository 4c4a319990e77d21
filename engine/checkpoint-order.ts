/** What the process that makes a checkpoint is told, as one line of JSON, and what it answers with. */
import type { TenantCapacities } from './capacities.ts';
import type { Source } from './types.ts';

export interface CheckpointOrder {
  readonly tenantId: string;
  readonly sources: readonly Source[];
  /** The tenant's secret. */
  readonly secretFile: string;
  readonly walDirectory: string;
  readonly checkpointDirectory: string;
  /** The process's own, in shared memory; whoever gives the order removes it. */
  readonly hotDirectory: string;
  /** All up to there is durable, and its rows are in the lake. */
  readonly sequence: number;
  readonly capacities: TenantCapacities;
  /** As the start that gives the order was told: a checkpoint gets over what is damaged. */
  readonly acceptDataLoss: boolean;
  /** RLIMIT_DATA of the process, bytes. */
  readonly dataBytesMax: number;
}

export interface CheckpointAnswer {
  /** Of the new checkpoint: the first sequence that is not in it. */
  readonly nextSequence: number;
  /** Of the one it began with, which was checked whole; none when it began with the first record. */
  readonly baseSequence?: number;
  /** Size of the new checkpoint, bytes. */
  readonly bytes: number;
  /** Events replayed for it. */
  readonly events: number;
}
