/** The DuckDB of a process that writes files of the lake: few threads, limited memory. Times are UTC. */
import { quoteText } from './cold-source.ts';
import { type Connection, Database } from './duckdb.ts';

export interface FileDatabaseLimits {
  /** Of DuckDB's buffers, bytes; beyond it what can be spilled is. */
  readonly memoryBytesMax: number;
  readonly spillBytesMax: number;
  readonly threads: number;
}

/**
 * Opens a database for `work`, and closes it when that has settled.
 * @param extensionPath the addon to LOAD, for work that reads hot segments.
 */
export async function withFileDatabase<Result>(
  limits: FileDatabaseLimits,
  temporaryDirectory: string,
  work: (connection: Connection) => Promise<Result>,
  extensionPath?: string,
): Promise<Result> {
  const database = await Database.open({
    threads: String(limits.threads),
    memory_limit: `${limits.memoryBytesMax}B`,
    temp_directory: temporaryDirectory,
    max_temp_directory_size: `${limits.spillBytesMax}B`,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_unsigned_extensions: extensionPath === undefined ? 'false' : 'true',
  });
  const connection = await database.connect();
  try {
    await connection.run(`SET GLOBAL TimeZone = 'UTC'`);
    if (extensionPath !== undefined) await connection.run(`LOAD ${quoteText(extensionPath)}`);
    return await work(connection);
  } finally {
    connection.close();
    database.close();
  }
}
