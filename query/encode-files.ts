/**
 * Encodes rows of hot segments as Parquet files with DuckDB: it scans the mapped segments in place and
 * writes with its own writer, which costs less than half of what the same takes in WebAssembly.
 *
 * - Written so that every engine reads it (docs/lake.md): Parquet v1 encodings, ZSTD, field ids, a row
 *   group for each 122,880 rows or {@link ROW_GROUP_BYTES_MAX}.
 * - Cheap rather than small, since compaction writes the rows again: the fastest level of ZSTD, and a
 *   dictionary only where it stays short, so that columns of ids and of JSON are not hashed for nothing.
 * - A file has as many rows as the segments show; counts and bounds are those of its footer.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { DAY_MICROS, MIB } from '../base/units.ts';
import { extensionPath, native, type SliceReference } from '../native/index.ts';
import type { EncodedFile, EncodeRequest, FlushColumn } from '../storage/parquet-encoder.ts';
import { duckdbType, hotScan, quoteName, quoteText } from './cold-source.ts';
import type { Connection } from './duckdb.ts';
import { type FileDatabaseLimits, withFileDatabase } from './file-database.ts';
import { readFooter } from './parquet-footer.ts';

/** Rows of one file, at which the next begins: of events, 100 to 150 MB. A query reads several at once. */
const FILE_ROWS_MAX = 32 * LIMITS.segmentRowsMax;
const ROW_GROUP_BYTES_MAX = 256 * MIB;
const DICTIONARY_ENTRIES_MAX = 4096;
/** What the held rows are called; nothing else scans in this process. */
const HELD = 'flush';

/** @throws Error with DuckDB's reason, or when a file does not have the rows that the segments show. */
export function encodeFiles(
  request: EncodeRequest,
  limits: FileDatabaseLimits,
): Promise<EncodedFile[]> {
  const encode = async (connection: Connection): Promise<EncodedFile[]> => {
    const files: EncodedFile[] = [];
    // Else row groups have no limit in bytes. With two threads the order is that of some thousand rows.
    await connection.run('SET preserve_insertion_order = false');
    for (const slices of partsOf(request.slices)) {
      const reason = native.holdSlices(HELD, slices);
      if (reason !== '') throw new Error(reason);
      try {
        const days = await countByDay(connection, request.dayColumn);
        for (const [day, rows] of days) {
          const path = `${request.output}-${files.length}`;
          const condition = days.size === 1 ? 'true' : `${dayOf(request.dayColumn)} = ${day}`;
          files.push(await encodeFile(connection, request.columns, { path, day, rows, condition }));
        }
      } finally {
        native.releaseTables();
      }
    }
    return files;
  };
  return withFileDatabase(limits, request.temporaryDirectory, encode, extensionPath);
}

/** Cuts the slices, in order, into parts of at most {@link FILE_ROWS_MAX} rows. */
function partsOf(slices: readonly SliceReference[]): SliceReference[][] {
  const parts: SliceReference[][] = [];
  let room = 0;
  for (const slice of slices) {
    const rows = slice.toRow - slice.fromRow;
    if (rows > room) {
      parts.push([]);
      room = FILE_ROWS_MAX;
    }
    parts.at(-1)!.push(slice);
    room -= rows;
  }
  return parts;
}

/** Days since 1970-01-01 (UTC) of a column, as SQL. */
function dayOf(dayColumn: string | undefined): string {
  if (dayColumn === undefined) return 'NULL';
  return `CAST(floor(epoch_us(${quoteName(dayColumn)}) / ${DAY_MICROS}) AS INTEGER)`;
}

/** Visible rows of each day, oldest first; of the day null where there are no days. */
async function countByDay(
  connection: Connection,
  dayColumn: string | undefined,
): Promise<ReadonlyMap<number | null, number>> {
  const days = await connection.rows(
    `SELECT ${dayOf(dayColumn)} AS day, count(*) FROM ${hotScan(HELD)} GROUP BY ALL ORDER BY day`,
  );
  const isKnown = days.every(([day]) => (day === null) === (dayColumn === undefined));
  assert(isKnown, 'every row of a table with days has one');
  return new Map(days.map(([day, rows]) => [day === null ? null : Number(day), Number(rows)]));
}

interface PlannedFile {
  readonly path: string;
  readonly day: number | null;
  readonly rows: number;
  /** Which of the held rows it takes. */
  readonly condition: string;
}

async function encodeFile(
  connection: Connection,
  columns: readonly FlushColumn[],
  { path, day, rows, condition }: PlannedFile,
): Promise<EncodedFile> {
  const ids = columns.map(({ id, name }) => `${quoteName(name)}: ${id}`).join(', ');
  await connection.run(
    `COPY (SELECT ${columns.map(storedColumn).join(', ')} FROM ${hotScan(HELD)}
       WHERE ${condition})
     TO ${quoteText(path)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1,
       PARQUET_VERSION V1, ROW_GROUP_SIZE ${LIMITS.segmentRowsMax},
       ROW_GROUP_SIZE_BYTES ${ROW_GROUP_BYTES_MAX},
       DICTIONARY_SIZE_LIMIT ${DICTIONARY_ENTRIES_MAX}, WRITE_BLOOM_FILTER false,
       FIELD_IDS {${ids}})`,
  );
  const footer = await readFooter(connection, path, columns);
  if (footer.rows !== rows) throw new Error(`a file of ${rows} rows holds ${footer.rows}`);
  const { columns: metrics, splitOffsets } = footer;
  return { path, day, rows, columns: metrics, splitOffsets };
}

/** A hot column in the type of the file. The bits of unsigned integers stay: storage/lake/schema.ts. */
function storedColumn({ name, type, hotType }: FlushColumn): string {
  const quoted = quoteName(name);
  const isStored = hotType !== 'uint64' && hotType !== 'uint32' && hotType !== 'json';
  return isStored ? quoted : `CAST(${quoted} AS ${duckdbType(type)}) AS ${quoted}`;
}
