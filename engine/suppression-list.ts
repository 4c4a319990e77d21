/**
 * The list of a tenant's erasures as a file of its own: kept apart from backups, it lets a backup that is older
 * than an erasure be restored without bringing anybody back.
 *
 * A backup is the beginning of the very log that the erasures came later in, so ordinals and sequences mean the
 * same there. Each anchor goes with the keyed hash of what it stood for, and is erased only where that
 * matches: a list of another log, or of another tenant, does nothing.
 */
import { TributaryError } from '../base/errors.ts';
import type { Erasure } from './erasure-ledger.ts';

const FORMAT = 'tributary-erasures-1';

/** What has to be done again. */
export interface ListedErasure {
  readonly id: string;
  readonly profile: string | null;
  readonly reason: string | null;
  /** Ordinals, and what they stood for. */
  readonly anchors: readonly (readonly [number, string])[];
  readonly deadLetters: readonly number[];
  readonly warnings: readonly number[];
}

export interface SuppressionList {
  readonly tenantId: string;
  readonly erasures: readonly ListedErasure[];
}

export function serialiseSuppressionList(tenantId: string, erasures: readonly Erasure[]): string {
  const listed = erasures.map(
    ({ id, profile, reason, anchors, hashes, deadLetters, warnings }) => ({
      erasure: id,
      profile,
      reason,
      anchors: anchors.map((anchor, index) => [anchor, hashes[index]]),
      dead_letters: deadLetters,
      warnings,
    }),
  );
  return JSON.stringify({ format: FORMAT, tenant: tenantId, erasures: listed });
}

/** @throws TRIBUTARY_ERASURE_LIST_INVALID */
export function parseSuppressionList(text: string): SuppressionList {
  const { format, tenant, erasures } = objectOf(parse(text));
  if (format !== FORMAT) throw invalid(`its format is ${String(format)}, not ${FORMAT}`);
  if (typeof tenant !== 'string' || !Array.isArray(erasures)) throw invalid('it names no tenant');
  return { tenantId: tenant, erasures: (erasures as unknown[]).map(erasureOf) };
}

function erasureOf(value: unknown): ListedErasure {
  const { erasure: id, profile, reason, anchors, dead_letters, warnings } = objectOf(value);
  if (typeof id !== 'string' || !isTextOrNull(profile) || !isTextOrNull(reason)) {
    throw invalid('an erasure has no id');
  }
  if (!Array.isArray(anchors) || !anchors.every(isAnchor)) throw invalid(`${id} has no anchors`);
  if (!isSequences(dead_letters) || !isSequences(warnings)) throw invalid(`${id} has no rows`);
  return { id, profile, reason, anchors, deadLetters: dead_letters, warnings };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('it is not JSON');
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw invalid('it is no list of erasures');
}

function isAnchor(value: unknown): value is readonly [number, string] {
  return Array.isArray(value) && isOrdinal(value[0]) && typeof value[1] === 'string';
}

function isSequences(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isOrdinal);
}

function isOrdinal(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

function invalid(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_ERASURE_LIST_INVALID', { reason });
}
