/**
 * Typed access to the fields of decoded Avro records. A field of another type than it should have is a
 * damaged or foreign file, and an AvroError.
 */
import { AvroError, type AvroRecordValue, type AvroValue } from './avro-schema.ts';

/** A `long` as a number: a count or a size, so never beyond 2^53. */
export function countField(record: AvroRecordValue, name: string): number {
  const value = record[name];
  const count = typeof value === 'bigint' ? Number(value) : value;
  if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return count;
  throw new AvroError(`its field ${name} is no count`);
}

export function idField(record: AvroRecordValue, name: string): bigint {
  const value = record[name];
  if (typeof value === 'bigint') return value;
  throw new AvroError(`its field ${name} is no long`);
}

export function textField(record: AvroRecordValue, name: string): string {
  const value = record[name];
  if (typeof value === 'string') return value;
  throw new AvroError(`its field ${name} is no string`);
}

export function recordField(record: AvroRecordValue, name: string): AvroRecordValue {
  return asRecord(record[name], name);
}

/** An array; empty when the field is null or absent. */
export function listField(record: AvroRecordValue, name: string): readonly AvroValue[] {
  const value = record[name] ?? [];
  if (Array.isArray(value)) return value;
  throw new AvroError(`its field ${name} is no array`);
}

export function asRecord(value: AvroValue | undefined, name: string): AvroRecordValue {
  const isObject = typeof value === 'object' && value !== null;
  if (isObject && !Array.isArray(value) && !(value instanceof Uint8Array)) {
    return value as AvroRecordValue;
  }
  throw new AvroError(`its field ${name} is no record`);
}
