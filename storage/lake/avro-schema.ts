/**
 * Avro schemas, as far as Iceberg's manifests use them (Apache Avro 1.12 specification).
 *
 * Schemas keep what Avro itself ignores, `field-id` and its kin: Iceberg readers find fields by them, and
 * a file without them is unreadable for some (the reason why this codec is ours).
 *
 * - In a parsed schema no type is referred to by name any more: references are resolved.
 */

export type AvroPrimitive =
  | 'null'
  | 'boolean'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'bytes'
  | 'string';

export interface AvroField {
  readonly name: string;
  readonly type: AvroSchema;
  readonly default?: null;
  readonly 'field-id'?: number;
}

export interface AvroRecord {
  readonly type: 'record';
  readonly name: string;
  readonly fields: readonly AvroField[];
}

export interface AvroArray {
  readonly type: 'array';
  readonly items: AvroSchema;
  readonly logicalType?: string;
  readonly 'element-id'?: number;
}

export interface AvroMap {
  readonly type: 'map';
  readonly values: AvroSchema;
}

export interface AvroFixed {
  readonly type: 'fixed';
  readonly name: string;
  readonly size: number;
}

/** A primitive with annotations, a logical type for example. */
export interface AvroAnnotated {
  readonly type: AvroPrimitive;
  readonly logicalType?: string;
  readonly 'adjust-to-utc'?: boolean;
}

export type AvroSchema =
  | AvroPrimitive
  | readonly AvroSchema[]
  | AvroRecord
  | AvroArray
  | AvroMap
  | AvroFixed
  | AvroAnnotated;

export interface AvroRecordValue {
  readonly [name: string]: AvroValue;
}

/** `int` is a number; `long` is read as bigint and written from either. */
export type AvroValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly AvroValue[]
  | AvroRecordValue;

/** Why bytes are not the Avro they should be. Callers say in which file. */
export class AvroError extends Error {
  override readonly name = 'AvroError';
}

const PRIMITIVES: readonly string[] = [
  'null',
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'bytes',
  'string',
];
const DEPTH_MAX = 32;

/** Checks a schema as found in a file's header, and resolves names. @throws AvroError */
export function parseAvroSchema(json: unknown): AvroSchema {
  return parse(json, new Map(), 0);
}

function parse(json: unknown, named: Map<string, AvroSchema>, depth: number): AvroSchema {
  if (depth > DEPTH_MAX) throw new AvroError('its schema nests too deeply');
  if (typeof json === 'string') {
    if (PRIMITIVES.includes(json)) return json as AvroPrimitive;
    const known = named.get(json);
    if (known === undefined) throw new AvroError(`its schema names an unknown type ${json}`);
    return known;
  }
  if (Array.isArray(json)) return json.map((branch) => parse(branch, named, depth + 1));
  if (typeof json !== 'object' || json === null) throw new AvroError('its schema is not one');
  return parseObject(json as Record<string, unknown>, named, depth);
}

function parseObject(
  json: Record<string, unknown>,
  named: Map<string, AvroSchema>,
  depth: number,
): AvroSchema {
  const { type, name } = json;
  if (type === 'record' && typeof name === 'string' && Array.isArray(json['fields'])) {
    const fields: AvroField[] = [];
    const record: AvroRecord = { type, name, fields };
    for (const field of json['fields'] as Record<string, unknown>[]) {
      if (typeof field?.['name'] !== 'string')
        throw new AvroError('its schema has a nameless field');
      // A type is known by name only behind its definition, so that no schema contains itself.
      const parsed = parse(field['type'], named, depth + 1);
      fields.push({ ...field, name: field['name'], type: parsed } as AvroField);
    }
    named.set(name, record);
    return record;
  }
  if (type === 'fixed' && typeof name === 'string' && Number.isSafeInteger(json['size'])) {
    const fixed: AvroFixed = { type, name, size: json['size'] as number };
    named.set(name, fixed);
    return fixed;
  }
  if (type === 'array') return { ...json, type, items: parse(json['items'], named, depth + 1) };
  if (type === 'map') return { type, values: parse(json['values'], named, depth + 1) };
  if (typeof type === 'string' && PRIMITIVES.includes(type))
    return json as unknown as AvroAnnotated;
  if (typeof type === 'object') return parse(type, named, depth + 1);
  throw new AvroError(`its schema has an unknown type ${String(type)}`);
}
