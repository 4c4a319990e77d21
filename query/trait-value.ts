/**
 * The value of a declared trait as SQL: its newest JSON, read as its type. What is none of the type is NULL.
 *
 * - A trait that is kept is read by the functions of native/src/duckdb_traits.cc from `profile`.
 * - Another is a column of JSON, {@link saidColumn}.
 * - A number is what its JSON text says: where it becomes text, DuckDB writes it. Zero has no sign, which DuckDB's own
 *   JSON drops from some zeros and not from others.
 */
import { type DeclaredTrait, type TraitType, traitKey } from '../engine/declared-traits.ts';
import { quoteName, quoteText } from './cold-source.ts';

export interface ReadTrait extends DeclaredTrait {
  /** By what the values of its key are read (identity/trait-store.ts); 0, or none: they are not kept. */
  readonly slot?: number;
}

const DUCKDB_TYPES: Readonly<Record<TraitType, string>> = {
  string: 'VARCHAR',
  long: 'BIGINT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMPTZ',
  date: 'DATE',
};

export function duckdbTypeOf(type: TraitType): string {
  return DUCKDB_TYPES[type];
}

export function isKept({ slot = 0 }: ReadTrait): boolean {
  return slot > 0;
}

/** The value, typed. */
export function typedValue(trait: ReadTrait): string {
  const { text, string } = textsOf(trait);
  switch (trait.type) {
    case 'string':
      return `coalesce(${string}, trusted_json(${text}) ->> '$')`;
    case 'long':
      return `CASE WHEN regexp_full_match(${text}, '[+-]?[0-9]{1,19}') THEN TRY_CAST(${text} AS BIGINT) END`;
    case 'double':
      return `CASE WHEN isfinite(TRY_CAST(${text} AS DOUBLE)) THEN TRY_CAST(${text} AS DOUBLE) + 0.0 END`;
    case 'boolean':
      return `CASE lower(${text}) WHEN 'true' THEN true WHEN 'false' THEN false END`;
    case 'timestamp':
    case 'date': {
      const cast = `TRY_CAST(${string} AS ${duckdbTypeOf(trait.type)})`;
      return `CASE WHEN isfinite(${cast}) THEN ${cast} END`;
    }
  }
}

/** The JSON of a trait, below the newest value of its first key. */
export function jsonOf(trait: ReadTrait): string {
  const [, ...rest] = trait.path.split('.');
  const newest = isKept(trait)
    ? `trusted_json(${read('trait_json', trait)})`
    : saidColumn(traitKey(trait));
  return rest.length === 0 ? newest : `json_extract(${newest}, ${pathText(rest)})`;
}

/** The column that has the newest JSON of a key. In hexadecimal, as DuckDB does not tell the case of names. */
export function saidColumn(key: string): string {
  return quoteName(`said_${Buffer.from(key).toString('hex')}`);
}

/** A JSON path of keys. */
export function pathText(keys: readonly string[]): string {
  return quoteText(`$${keys.map((key) => `."${key}"`).join('')}`);
}

/** The value as text: of a string, a number or a boolean; and of a string alone. */
function textsOf(trait: ReadTrait): { readonly text: string; readonly string: string } {
  if (isKept(trait) && !trait.path.includes('.')) {
    return { text: read('trait_text', trait), string: read('trait_string', trait) };
  }
  const json = jsonOf(trait);
  const text = `(${json} ->> '$')`;
  const typed = (types: string): string => `CASE WHEN json_type(${json}) ${types} THEN ${text} END`;
  return { text: typed(`NOT IN ('OBJECT', 'ARRAY')`), string: typed(`= 'VARCHAR'`) };
}

function read(name: 'trait_json' | 'trait_text' | 'trait_string', { slot }: ReadTrait): string {
  return `${name}(profile, ${slot}::UINTEGER)`;
}
