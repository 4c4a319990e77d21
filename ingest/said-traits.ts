/**
 * Reads from `events` what identify calls said of traits, for those that are to be kept from now on
 * (engine/trait-filler.ts): a statement for a range of anchors, which leaves out the files of others.
 */
import { MIB } from '../base/units.ts';
import type { SaidValue } from '../engine/trait-record.ts';
import type { SqlExecutor } from './ports.ts';
import { queryRows } from './sql-rows.ts';

const BOUNDS = { bytesMax: 32 * MIB, timeoutMs: 600_000 } as const;
/** Of each key: its value, the time of the event, and its sequence. */
const COLUMNS_PER_KEY = 3;

/** @throws TributaryError as a rejection: TRIBUTARY_QUERY_*. */
export async function readSaidTraits(
  executor: SqlExecutor,
  tenantId: string,
  keys: readonly string[],
  firstAnchor: number,
  lastAnchor: number,
): Promise<SaidValue[]> {
  const params = [firstAnchor, lastAnchor];
  const rows = await queryRows(executor, tenantId, { sql: statement(keys), params, ...BOUNDS });
  return rows.flatMap(([anchor, ...columns]) =>
    keys.flatMap((key, index): SaidValue[] => {
      const [value, micros, sequence] = columns.slice(index * COLUMNS_PER_KEY);
      if (typeof value !== 'string') return [];
      const when = { micros: Number(micros), sequence: Number(sequence) };
      return [{ anchor: Number(anchor), key, ...when, value }];
    }),
  );
}

/** Keys are letters, digits, _, $ and - (engine/declared-traits.ts). */
function statement(keys: readonly string[]): string {
  const values = keys.map(
    (key, index) => `json_extract(traits, '$."${key}"')::VARCHAR AS v${index}`,
  );
  const newest = keys.map((_, index) => {
    const said = `FILTER (v${index} IS NOT NULL)`;
    return `arg_max(v${index}, moment), arg_max(micros, moment) ${said}, arg_max(sequence, moment) ${said}`;
  });
  return `SELECT anchor, ${newest.join(', ')} FROM (
    SELECT anchor, sequence, epoch_us(timestamp) AS micros,
      epoch_us(timestamp)::HUGEINT * 18446744073709551616::HUGEINT + sequence::HUGEINT AS moment,
      ${values.join(', ')}
    FROM events
    WHERE type = 'identify' AND anchor BETWEEN $1::UINTEGER AND $2::UINTEGER)
  GROUP BY anchor`;
}
