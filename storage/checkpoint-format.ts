/**
 * The layout of a checkpoint: one file that holds the state of a tenant at one sequence.
 *
 *   parts, one behind another │ table of contents (JSON, UTF-8) │ trailer, 24 bytes
 *
 *   trailer: u32 length of the table │ u32 CRC-32C of the table │ u32 format version │ u32 zero │ magic
 *
 * - It is written under a temporary name, synced, and renamed: a file of the final name is whole.
 * - The table of contents has the length and CRC-32C of every part, so that every byte of the file is
 *   checked before any of it is used. Numbers are little-endian.
 * - The name is `checkpoint-` and the next sequence in 16 decimal digits: names sort by age.
 */
import { formatCrc } from './crc32c.ts';
import type { StatePart } from './state-part.ts';

export const CHECKPOINT_FORMAT_VERSION = 5;
export const CHECKPOINT_TRAILER_BYTES = 24;
export const CHECKPOINT_MAGIC = 'TRIBCKP\0';
/** A table of contents is a few KiB; a longer one is damage. */
export const CHECKPOINT_CONTENTS_BYTES_MAX = 1024 * 1024;

export interface CheckpointPart extends Pick<StatePart, 'name' | 'bytes'> {
  readonly crc: number;
}

export interface CheckpointContents {
  readonly tenantId: string;
  /** Of the first event that is not in the state. */
  readonly nextSequence: number;
  /** In the order in which they lie in the file. */
  readonly parts: readonly CheckpointPart[];
}

export function checkpointFileName(nextSequence: number): string {
  return `checkpoint-${String(nextSequence).padStart(16, '0')}`;
}

/** @returns the next sequence, or undefined for a name that is not a checkpoint's. */
export function parseCheckpointFileName(name: string): number | undefined {
  const match = /^checkpoint-(\d{16})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function serialiseContents({ tenantId, nextSequence, parts }: CheckpointContents): Buffer {
  const described = parts.map(({ name, bytes, crc }) => ({ name, bytes, crc32c: formatCrc(crc) }));
  const document = { tenant: tenantId, next_sequence: nextSequence, parts: described };
  return Buffer.from(JSON.stringify(document));
}

/** @returns undefined for what is no table of contents. */
export function parseContents(bytes: Uint8Array): CheckpointContents | undefined {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof document !== 'object' || document === null) return undefined;
  const fields = document as Readonly<Record<string, unknown>>;
  const { tenant: tenantId, next_sequence: nextSequence, parts: listed } = fields;
  if (typeof tenantId !== 'string' || !isCount(nextSequence) || !Array.isArray(listed)) {
    return undefined;
  }
  const parts: CheckpointPart[] = [];
  for (const entry of listed as unknown[]) {
    if (typeof entry !== 'object' || entry === null) return undefined;
    const { name, bytes, crc32c } = entry as Readonly<Record<string, unknown>>;
    if (typeof name !== 'string' || !isCount(bytes) || typeof crc32c !== 'string') return undefined;
    parts.push({ name, bytes, crc: Number.parseInt(crc32c, 16) });
  }
  return { tenantId, nextSequence, parts };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
