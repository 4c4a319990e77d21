/**
 * The relation `system.queries`: the recent statements of the tenant, newest first.
 *
 * The log is the appliance's, and workers have none of it: a statement that may read the relation is sent
 * along with its rows, which become its view. DuckDB has a catalogue of its own called `system`, so the
 * view's name is `system_queries`, and statement-parser.ts puts that in the place of `system.queries`.
 */
import type { Catalog, CatalogRelation } from './catalog.ts';
import { quoteText } from './cold-source.ts';
import type { RecentQuery } from './query-log.ts';

const NAME = 'system_queries';

/** By the names of columns: their types, and what they show. */
const COLUMNS: Readonly<Record<string, readonly [string, (query: RecentQuery) => unknown]>> = {
  query_id: ['VARCHAR', ({ id }) => id],
  started_at: ['BIGINT', ({ startedAtMicros }) => startedAtMicros],
  key_id: ['VARCHAR', ({ keyId }) => keyId],
  statement: ['VARCHAR', ({ statement }) => statement],
  state: ['VARCHAR', ({ state }) => state],
  code: ['VARCHAR', ({ code }) => code],
  elapsed_ms: ['BIGINT', ({ elapsedMs }) => elapsedMs],
  run_ms: ['BIGINT', ({ statistics }) => statistics?.elapsedMs],
  rows: ['BIGINT', ({ statistics }) => statistics?.rows],
  bytes: ['BIGINT', ({ statistics }) => statistics?.bytes],
  files_read: ['BIGINT', ({ statistics }) => statistics?.filesRead],
  files_skipped: ['BIGINT', ({ statistics }) => statistics?.filesSkipped],
  row_groups_read: ['BIGINT', ({ statistics }) => statistics?.rowGroupsRead],
  row_groups_skipped: ['BIGINT', ({ statistics }) => statistics?.rowGroupsSkipped],
  bytes_read: ['BIGINT', ({ statistics }) => statistics?.bytesRead],
  bytes_skipped: ['BIGINT', ({ statistics }) => statistics?.bytesSkipped],
  bytes_fetched: ['BIGINT', ({ statistics }) => statistics?.bytesFetched],
  segments_scanned: ['BIGINT', ({ statistics }) => statistics?.segmentsScanned],
  segments_skipped: ['BIGINT', ({ statistics }) => statistics?.segmentsSkipped],
  hot_rows_scanned: ['BIGINT', ({ statistics }) => statistics?.rowsScanned],
};

/** While no statement was sent with rows of it. */
export const NO_QUERIES: CatalogRelation = relationOver([]);

/** Whether a text may name the relation: by its letters, which no other spelling hides. */
export function mayReadQueries(sql: string): boolean {
  return /system.{0,100}queries/is.test(sql);
}

/** The catalogue as it is with these statements. */
export function withRecentQueries(catalog: Catalog, queries: readonly RecentQuery[]): Catalog {
  if (queries.length === 0) return catalog;
  const shown = { ...relationOver(queries), isOfStatement: true };
  const relations = catalog.relations.map((relation) =>
    relation.name === NAME ? shown : relation,
  );
  return { ...catalog, relations };
}

function relationOver(queries: readonly RecentQuery[]): CatalogRelation {
  const columns = Object.entries(COLUMNS);
  const rows = queries.map((query) =>
    Object.fromEntries(columns.map(([name, [, read]]) => [name, read(query) ?? null])),
  );
  const types = Object.fromEntries(columns.map(([name, [type]]) => [name, type]));
  const shape = quoteText(JSON.stringify([types]));
  return {
    name: NAME,
    select: `SELECT * REPLACE (make_timestamp(started_at)::TIMESTAMPTZ AS started_at)
      FROM (SELECT unnest(from_json(${quoteText(JSON.stringify(rows))}::JSON, ${shape}), recursive := true))`,
    scans: [],
    boundColumns: [],
  };
}
