/**
 * Writes identity, as a checkpoint has it, as data files of the lake: DuckDB scans its arrays in place.
 * Nothing of it moves meanwhile, so the files are identity at the sequence of the checkpoint, exactly.
 *
 * - Rows come in the order of their ordinals and go out in it, a row group at a time: memory does not grow
 *   with the number of people, but for identity itself.
 * - Each file has the rows of a range of ordinals, so that no file grows beyond what a reader likes to split.
 * - Written so that every engine reads it (docs/lake.md): Parquet v1 encodings, ZSTD, field ids.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { traitKey } from '../engine/declared-traits.ts';
import { type IdentityAtCheckpoint, withIdentity } from '../engine/identity-at-checkpoint.ts';
import type { IdentityFile, IdentityRequest, WrittenIdentity } from '../engine/identity-writer.ts';
import type { TraitColumn } from '../engine/trait-columns.ts';
import { extensionPath } from '../native/index.ts';
import type { FileSystem } from '../storage/file-system.ts';
import { IDENTIFIERS_TABLE, PROFILES_TABLE } from '../storage/lake/identity-schema.ts';
import type { LakeColumn } from '../storage/lake/schema.ts';
import { duckdbType, quoteName, quoteText } from './cold-source.ts';
import type { Connection } from './duckdb.ts';
import { type FileDatabaseLimits, withFileDatabase } from './file-database.ts';
import { readFooter } from './parquet-footer.ts';
import { typedValue } from './trait-value.ts';

/** Ordinals of one file: 100 to 250 MB. */
const FILE_ORDINALS = 1 << 22;

/** How a table comes out of identity. */
interface IdentitySource {
  readonly from: string;
  /** What rows are numbered by, from 1, and how many were given. */
  readonly ordinal: string;
  readonly counted: 'anchors' | 'profiles';
  /** SQL by the name of the column; a column that is not here is the source's own of that name. */
  readonly columns: Readonly<Record<string, string>>;
}

const PEOPLE: IdentitySource = {
  from: 'hot_profiles()',
  ordinal: 'profile',
  counted: 'profiles',
  columns: {},
};

const SOURCES: Readonly<Record<string, IdentitySource>> = {
  [IDENTIFIERS_TABLE.name]: {
    from: 'hot_anchors()',
    ordinal: 'anchor',
    counted: 'anchors',
    columns: {
      profile_id: 'profile_id(profile)',
      type: 'identifier_type(node)',
      value: 'identifier_value(node)',
    },
  },
};

/** @throws Error with DuckDB's reason, and as {@link withIdentity} does. */
export async function writeIdentityFiles(
  request: IdentityRequest,
  fileSystem: FileSystem,
  limits: FileDatabaseLimits,
): Promise<WrittenIdentity> {
  const { afterSequence, temporaryDirectory, traits } = request;
  const written = await withIdentity(request, fileSystem, async (identity) => {
    const isKept = ({ trait }: TraitColumn): boolean => identity.slotOf(traitKey(trait)) > 0;
    if (!traits.every(isKept)) return undefined;
    const write = (connection: Connection): Promise<IdentityFile[]> =>
      writeTables(connection, request, identity);
    const files = await withFileDatabase(limits, temporaryDirectory, write, extensionPath);
    return { sequence: identity.sequence, files };
  });
  return written ?? { sequence: afterSequence, files: [] };
}

async function writeTables(
  connection: Connection,
  { tables, output, traits }: IdentityRequest,
  identity: IdentityAtCheckpoint,
): Promise<IdentityFile[]> {
  const files: IdentityFile[] = [];
  for (const { name, columns } of tables) {
    const source =
      name === PROFILES_TABLE.name ? profilesWith(traits, columns, identity) : SOURCES[name];
    assert(source !== undefined, 'tables of identity are written');
    const ids = columns.map((column) => `${quoteName(column.name)}: ${column.id}`).join(', ');
    for (let first = 1; first <= identity[source.counted]; first += FILE_ORDINALS) {
      const path = `${output}-${files.length}`;
      await connection.run(
        `COPY (${selectOf(source, columns, identity.sequence, first)}) TO ${quoteText(path)}
         (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION V1,
           ROW_GROUP_SIZE ${LIMITS.segmentRowsMax}, FIELD_IDS {${ids}})`,
      );
      const footer = await readFooter(connection, path, columns);
      if (footer.rows > 0) files.push({ table: name, path, ...footer });
    }
  }
  return files;
}

/** People with the values of their traits. A column of neither is of a trait that is not declared any more. */
function profilesWith(
  traits: readonly TraitColumn[],
  columns: readonly LakeColumn[],
  { slotOf }: IdentityAtCheckpoint,
): IdentitySource {
  const own = new Set(PROFILES_TABLE.columns.map(({ name }) => name));
  const others = columns.filter(({ name }) => !own.has(name));
  const values = traits.map(({ column, trait }) => {
    return [column, typedValue({ ...trait, slot: slotOf(traitKey(trait)) })] as const;
  });
  const nulls = others.map(({ name }) => [name, 'NULL'] as const);
  return { ...PEOPLE, columns: Object.fromEntries([...nulls, ...values]) };
}

function selectOf(
  { from, ordinal, columns: expressions }: IdentitySource,
  columns: readonly LakeColumn[],
  sequence: number,
  first: number,
): string {
  const selected = columns.map(({ name, type }) => {
    const value = name === 'sequence' ? String(sequence) : (expressions[name] ?? quoteName(name));
    return `CAST(${value} AS ${duckdbType(type)}) AS ${quoteName(name)}`;
  });
  return `SELECT ${selected.join(', ')} FROM ${from}
    WHERE ${ordinal} BETWEEN ${first} AND ${first + FILE_ORDINALS - 1}`;
}
