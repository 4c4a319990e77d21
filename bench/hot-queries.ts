/** The queries of the workload hot-groupby, in DuckDB's SQL and, where it has the column, ClickHouse's. */
import type { Connection } from '../query/duckdb.ts';

export interface HotQuery {
  readonly metric: string;
  /** Over any relation with the columns of `events`. */
  sql(relation: string): string;
  readonly clickHouseSql?: string;
}

/** From the first to before the second, as ISO 8601 in UTC. */
export type TimeRange = readonly [string, string];

/**
 * Some minutes in the middle of what a run of any size generates, as peers have them. The appliance moves the
 * times of events by what their senders' clocks are off, which is the age of the generated ones.
 */
export const GENERATED: TimeRange = ['2026-01-05 08:01:00', '2026-01-05 08:03:00'];

/** A fiftieth of the rows arrived in it, in the middle of them; some events are up to two days older. */
export async function middleOf(connection: Connection, relation: string): Promise<TimeRange> {
  const [row = []] = await connection.rows(
    `SELECT epoch_ms(quantile_disc(received_at, 0.49)), epoch_ms(quantile_disc(received_at, 0.51))
     FROM ${relation}`,
  );
  const [from, to] = row.map((millis) => new Date(Number(millis)).toISOString());
  return [from!, to!];
}

export function hotQueries([from, to]: TimeRange): readonly HotQuery[] {
  return [
    {
      metric: 'count_rows',
      sql: (relation) => `SELECT count(*) FROM ${relation}`,
      clickHouseSql: 'SELECT count() FROM events',
    },
    {
      metric: 'group_by_event',
      sql: (relation) => `SELECT event, count(*), max(timestamp) FROM ${relation} GROUP BY event`,
      clickHouseSql: 'SELECT event, count(), max(timestamp) FROM events GROUP BY event',
    },
    {
      metric: 'group_by_user',
      sql: (relation) =>
        `SELECT user_id, count(*) AS events FROM ${relation} GROUP BY user_id ORDER BY events DESC, user_id LIMIT 10`,
      clickHouseSql:
        'SELECT userId, count() AS events FROM events GROUP BY userId ORDER BY events DESC, userId LIMIT 10',
    },
    {
      metric: 'distinct_anchors',
      sql: (relation) => `SELECT count(DISTINCT anchor) FROM ${relation}`,
    },
    {
      metric: 'time_range',
      sql: (relation) =>
        `SELECT type, count(*) FROM ${relation} WHERE timestamp >= TIMESTAMPTZ '${from}' AND timestamp < TIMESTAMPTZ '${to}' GROUP BY type`,
      clickHouseSql: `SELECT type, count() FROM events WHERE timestamp >= '${from}' AND timestamp < '${to}' GROUP BY type`,
    },
  ];
}
