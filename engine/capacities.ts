/**
 * How large the structures of one tenant may become. An appliance takes {@link TENANT_CAPACITIES}, which
 * are its limits; a simulation that starts thousands of times takes small ones, so that a start costs
 * milliseconds, and segments and log files are full after a few batches.
 *
 * - One batch always fits an empty segment: whoever makes capacities small sends small batches.
 * - Nothing durable depends on them, so a tenant may be opened with others than before.
 */
import { LIMITS } from '../base/limits.ts';
import { HEAP_CAPACITIES, type HeapCapacities } from '../storage/segment-format.ts';

export interface TenantCapacities {
  readonly segmentRows: number;
  readonly segmentHeaps: HeapCapacities;
  /** Distinct values of one dictionary column in one segment. */
  readonly dictionaryEntries: number;
  /** Identifiers, and so anchors and profiles. */
  readonly identityNodes: number;
  /** A file of the log is closed once it is larger, bytes. */
  readonly walFileBytes: number;
  /** Each of the log's two staging buffers, beside room for one record, bytes. */
  readonly walStagingBytes: number;
  /** One record's payload, bytes. */
  readonly walRecordBytes: number;
}

export const TENANT_CAPACITIES: TenantCapacities = Object.freeze({
  segmentRows: LIMITS.segmentRowsMax,
  segmentHeaps: HEAP_CAPACITIES,
  dictionaryEntries: LIMITS.dictionaryEntriesMax,
  identityNodes: LIMITS.identityNodesMax,
  walFileBytes: LIMITS.walFileBytesMax,
  walStagingBytes: LIMITS.walStagingBytesMax,
  walRecordBytes: LIMITS.walRecordBytesMax,
});
