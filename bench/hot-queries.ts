/** The queries of the workload hot-groupby, in DuckDB's SQL and, where it has the column, ClickHouse's. */

export interface HotQuery {
  readonly metric: string;
  /** Over any relation with the columns of `events`. */
  sql(relation: string): string;
  readonly clickHouseSql?: string;
}

/** Some minutes in the middle of what a run of any size generates. */
const RANGE = ['2026-01-05 08:01:00', '2026-01-05 08:03:00'] as const;

export const HOT_QUERIES: readonly HotQuery[] = [
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
      `SELECT type, count(*) FROM ${relation} WHERE timestamp >= TIMESTAMPTZ '${RANGE[0]}Z' AND timestamp < TIMESTAMPTZ '${RANGE[1]}Z' GROUP BY type`,
    clickHouseSql: `SELECT type, count() FROM events WHERE timestamp >= '${RANGE[0]}' AND timestamp < '${RANGE[1]}' GROUP BY type`,
  },
];
