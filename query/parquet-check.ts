/**
 * Decodes every column of a Parquet file and counts, for `tributary verify`.
 *
 * DuckDB and not the package that wrote the file: damaged pages are errors to it, where WebAssembly code that
 * meets them ends the process.
 */
import type { DataFileCounts, DataFileDecoder } from '../engine/verify-lake.ts';
import { quoteName, quoteText } from './cold-source.ts';
import { type Connection, Database } from './duckdb.ts';

const SETTINGS = { threads: '2', memory_limit: '2GB', preserve_insertion_order: 'false' };

export class ParquetCheck implements DataFileDecoder {
  readonly #database: Database;
  readonly #connection: Connection;

  static async open(): Promise<ParquetCheck> {
    const database = await Database.open(SETTINGS);
    return new ParquetCheck(database, await database.connect());
  }

  private constructor(database: Database, connection: Connection) {
    this.#database = database;
    this.#connection = connection;
  }

  async decode(path: string): Promise<DataFileCounts> {
    const file = quoteText(path);
    const columns = await this.#connection.rows(
      `SELECT name, field_id FROM parquet_schema(${file}) WHERE type IS NOT NULL`,
    );
    // A hash needs every value; a count alone would look at nulls only.
    const aggregates = columns.flatMap(([name]) => {
      const column = quoteName(String(name));
      return [`count(*) - count(${column})`, `bit_xor(hash(${column}))`];
    });
    const [counts] = await this.#connection.rows(
      `SELECT ${['count(*)', ...aggregates].join(', ')} FROM read_parquet(${file})`,
    );
    const nulls = columns.map(
      ([, id], index) => [Number(id ?? -1), Number(counts![1 + 2 * index])] as const,
    );
    return { rows: Number(counts![0]), nulls: new Map(nulls) };
  }

  close(): void {
    this.#connection.close();
    this.#database.close();
  }
}
