/** What the workload cold-groupby asks beside the queries over hot rows. */
import { HOT_QUERIES, type HotQuery } from './hot-queries.ts';

export const COLD_QUERIES: readonly Pick<HotQuery, 'metric' | 'sql'>[] = [
  ...HOT_QUERIES,
  {
    metric: 'sum_of_property',
    sql: (relation) => `SELECT sum((properties->>'$.price')::DOUBLE) FROM ${relation}`,
  },
];
