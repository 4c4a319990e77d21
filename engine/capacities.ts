/**
 * How large the structures of one tenant may become. An appliance takes {@link TENANT_CAPACITIES}, which
 * are its limits; a simulation that starts thousands of times takes small ones, so that a start costs
 * milliseconds, and segments and log files are full after a few batches.
 *
 * - One batch always fits an empty segment: whoever makes capacities small sends small batches.
 * - Nothing durable depends on them, so a tenant may be opened with others than before.
 */
import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';
import { HEAP_CAPACITIES, type HeapCapacities } from '../storage/segment-format.ts';

export interface TenantCapacities {
  readonly segmentRows: number;
  readonly segmentHeaps: HeapCapacities;
  /** Distinct values of one dictionary column in one segment. */
  readonly dictionaryEntries: number;
  /** Identifiers, and so anchors and profiles. */
  readonly identityNodes: number;
  /** Of the payloads between the socket and the log at once; room for any one of them. */
  readonly payloadBytes: number;
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
  payloadBytes: LIMITS.stagerPayloadBytesMax,
  walFileBytes: LIMITS.walFileBytesMax,
  walStagingBytes: LIMITS.walStagingBytesMax,
  walRecordBytes: LIMITS.walRecordBytesMax,
});

/** What a row takes in a hot segment, all told: events of about 400 bytes of JSON. */
const ROW_BYTES = 512;
const SEGMENT_ROWS_MIN = 8192;
/** More than one batch can bring to a column: 16 MiB of msgpack as text, and 8 MiB of its context. */
const HEAP_BYTES_MIN = 24 * MIB;
/** The active segment is never dropped, so it must stay a small part of hot storage. */
const SEGMENTS_PER_BUDGET = 8;

/** The capacities of a tenant whose hot segments may take `hotBytesMax`. */
export function capacitiesWithin(hotBytesMax: number): TenantCapacities {
  const segmentBytes = hotBytesMax / SEGMENTS_PER_BUDGET;
  const rows = Math.max(SEGMENT_ROWS_MIN, Math.floor(segmentBytes / ROW_BYTES));
  const heap = (capacity: number): number =>
    Math.min(capacity, Math.max(HEAP_BYTES_MIN, Math.floor(segmentBytes)));
  const { utf8, json, dictionary } = HEAP_CAPACITIES;
  return {
    ...TENANT_CAPACITIES,
    segmentRows: Math.min(LIMITS.segmentRowsMax, rows),
    segmentHeaps: { utf8: heap(utf8), json: heap(json), dictionary },
  };
}
