/**
 * The DuckDB of a worker: opened, given the tenant's relations, then locked for good.
 *
 * - The addon is loaded and the views are made before the lock; nothing is after it.
 * - `enable_external_access = false` ends all file access but spilling, and reading the tenant's own
 *   directory of the lake; it cannot be turned back.
 * - Times are UTC, so that the same text gives the same rows on every machine.
 *
 * Failure: an error here ends the worker; the pool starts another.
 */
import { LIMITS } from '../base/limits.ts';
import { selectOver } from './catalog.ts';
import { hotSource, quoteName, quoteText } from './cold-source.ts';
import { type Connection, Database } from './duckdb.ts';
import type { WorkerSettings } from './worker-protocol.ts';

/** @param extensionPath the addon to LOAD, or null for a catalogue that scans nothing. */
export async function openWorkerDatabase(
  settings: WorkerSettings,
  extensionPath: string | null,
): Promise<Database> {
  const database = await Database.open({
    threads: String(settings.threads),
    memory_limit: `${settings.memoryLimitBytes}B`,
    temp_directory: settings.temporaryDirectory,
    max_temp_directory_size: `${settings.temporaryBytesMax}B`,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    allow_unsigned_extensions: extensionPath === null ? 'false' : 'true',
    allow_unredacted_secrets: 'false',
    allow_persistent_secrets: 'false',
    errors_as_json: 'true',
  });
  const connection = await database.connect();
  if (extensionPath !== null) await connection.run(`LOAD ${quoteText(extensionPath)}`);
  await connection.run(`SET GLOBAL TimeZone = 'UTC'`);
  // Of DuckDB 1.5: fails with an internal error on `QUALIFY row_number() OVER (…) = 1` over some columns of a view.
  await connection.run(`SET GLOBAL disabled_optimizers = 'top_n_window_elimination'`);
  await makeViews(connection, settings);
  await connection.run(`SET GLOBAL max_expression_depth = ${LIMITS.sqlExpressionDepthMax}`);
  const directories = settings.coldDirectory === null ? '' : quoteText(settings.coldDirectory);
  await connection.run(`SET GLOBAL allowed_directories = [${directories}]`);
  await connection.run('SET GLOBAL enable_external_access = false');
  await connection.run('SET GLOBAL lock_configuration = true');
  connection.close();
  return database;
}

async function makeViews(connection: Connection, settings: WorkerSettings): Promise<void> {
  for (const statement of settings.catalog.setup) await connection.run(statement);
  for (const relation of settings.catalog.relations) {
    const select = selectOver(relation, hotSource);
    await connection.run(`CREATE VIEW ${quoteName(relation.name)} AS ${select}`);
  }
}
