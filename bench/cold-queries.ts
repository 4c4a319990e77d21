/** What the workload cold-groupby asks beside the queries over hot rows. */
import { type HotQuery, hotQueries, type TimeRange } from './hot-queries.ts';

export function coldQueries(range: TimeRange): readonly Pick<HotQuery, 'metric' | 'sql'>[] {
  return [
    ...hotQueries(range),
    {
      metric: 'sum_of_property',
      sql: (relation) => `SELECT sum((properties->>'$.price')::DOUBLE) FROM ${relation}`,
    },
  ];
}
