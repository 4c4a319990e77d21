/**
 * The relations of people, as an analyst's statement finds them, against DuckDB's own in-memory table with
 * the same rows; both in one database with two threads, in turns.
 *
 * One identify call makes each profile. `profiles` is read from identity's arrays, and its declared column from
 * what is kept of traits; `profile_traits`, and the column where it is not kept, are computed from the
 * calls at each use, and the peer's table has them ready: that ratio says what keeping is worth.
 */
import { systemClock } from '../base/clock.ts';
import { HOT_CATALOG, selectOver } from '../query/catalog.ts';
import { hotSource } from '../query/cold-source.ts';
import { withDeclaredTraits } from '../query/declared-columns.ts';
import type { ReadTrait } from '../query/trait-value.ts';
import { appendAll, BATCH_EVENTS, openEngine } from './engine-run.ts';
import { openDatabase, type Query, requireSameRows, timeInTurns } from './query-turns.ts';
import { perSecond, type Workload } from './workload.ts';

const PROFILES = 1_000_000;
const DECLARED = [{ name: 'plan', path: 'plan', type: 'string' }] as const;
const PLANS = ['free', 'pro', 'team'];
/** A statement that looks at the declared column. */
const READS_PLAN = { column_names: ['plan'] };
/** Relations of the catalogue, `computed` where no trait is kept, and the peer's table of the same rows. */
const RELATIONS = {
  profiles: 'profiles',
  computed: 'profiles',
  profile_traits: 'profile_traits',
} as const;

interface ProfileQuery extends Query {
  readonly relation: keyof typeof RELATIONS;
}

const groupByPlan = (relation: string): string =>
  `SELECT plan, count(*) FROM ${relation} GROUP BY plan ORDER BY plan`;

const QUERIES: readonly ProfileQuery[] = [
  {
    metric: 'profiles_count',
    relation: 'profiles',
    sql: (relation) => `SELECT count(*) FROM ${relation}`,
  },
  {
    metric: 'profiles_filter',
    relation: 'profiles',
    sql: (relation) => `SELECT count(*) FROM ${relation}
      WHERE event_count > 0 AND last_seen < TIMESTAMPTZ '2026-01-02'`,
  },
  {
    metric: 'profiles_point',
    relation: 'profiles',
    sql: (relation) => `SELECT profile_id, event_count FROM ${relation} WHERE user_id = 'user-77'`,
  },
  {
    metric: 'declared_filter',
    relation: 'profiles',
    sql: (relation) => `SELECT count(*) FROM ${relation} WHERE plan = 'pro'`,
  },
  { metric: 'declared_group', relation: 'profiles', sql: groupByPlan },
  { metric: 'computed_group', relation: 'computed', sql: groupByPlan },
  {
    metric: 'traits_group',
    relation: 'profile_traits',
    sql: (relation) => `SELECT trait, count(*), max(sequence) FROM ${relation} GROUP BY trait`,
  },
];

export const profiles: Workload = {
  name: 'profiles',
  summary: "people and their traits in SQL; against DuckDB's own table",
  async run({ options, scratch, progress, report }) {
    const { events: count = PROFILES } = options;
    const data = scratch.makeDiskDirectory('data');
    const { engine, tenant } = await openEngine(data, scratch.hotPath('hot'));
    try {
      await tenant.commands.declareTraits(DECLARED, undefined, systemClock.nowMicros());
      progress(`making ${count} profiles`);
      await appendAll(tenant, payloads(count));
      const database = await openDatabase(tenant.hotDirectory);
      const connection = await database.connect();
      try {
        progress("copying the rows into DuckDB's own tables");
        for (const relation of ['profiles', 'profile_traits'] as const) {
          await connection.run(
            `CREATE TABLE ${ownTable(relation)} AS FROM ${ours(relation, tenant.readTraits)}`,
          );
        }
        const oursOf = (query: ProfileQuery): string =>
          query.sql(ours(query.relation, tenant.readTraits));
        const run = (sql: string): Promise<unknown[][]> => connection.rows(sql);
        const relationOf = new Map(QUERIES.map((query) => [query.metric, query]));
        const ask = (query: Query): Promise<unknown[][]> =>
          run(oursOf(relationOf.get(query.metric)!));
        const askPeer = (query: Query): Promise<unknown[][]> =>
          run(query.sql(ownTable(RELATIONS[relationOf.get(query.metric)!.relation])));
        await requireSameRows(QUERIES, ask, askPeer);
        progress('timing the queries');
        const times = await timeInTurns(QUERIES, options, { ours: ask, own: askPeer });
        for (const { metric } of QUERIES) {
          const elapsedMs = times.ours.get(metric)!;
          const peer = { name: "DuckDB's own table", value: times.own.get(metric)! };
          report({ metric, value: elapsedMs, unit: 'ms', higherIsBetter: false, peer });
          const rate = { unit: 'profiles/s', higherIsBetter: true } as const;
          report({ metric: `${metric}_rate`, value: perSecond(count, elapsedMs), ...rate });
        }
      } finally {
        connection.close();
        database.close();
      }
    } finally {
      await engine.close();
    }
  },
};

function ownTable(relation: string): string {
  return `own_${relation}`;
}

/** A relation of the catalogue in parentheses, as its view has it in a statement about plans. */
function ours(relation: keyof typeof RELATIONS, kept: readonly ReadTrait[]): string {
  const traits = relation === 'computed' ? DECLARED : kept;
  const catalog = withDeclaredTraits(HOT_CATALOG, traits, READS_PLAN);
  const found = catalog.relations.find(({ name }) => name === RELATIONS[relation])!;
  return `(${selectOver(found, hotSource)})`;
}

function* payloads(count: number): Generator<Buffer> {
  for (let first = 0; first < count; first += BATCH_EVENTS) {
    const batch = Array.from({ length: Math.min(BATCH_EVENTS, count - first) }, (_, index) => ({
      ...{ type: 'identify', userId: `user-${first + index}`, messageId: `m-${first + index}` },
      timestamp: new Date(Date.UTC(2026, 0, 1) + (first + index) * 100).toISOString(),
      traits: {
        plan: PLANS[(first + index) % PLANS.length],
        score: index,
        city: `city-${(first + index) % 500}`,
      },
    }));
    yield Buffer.from(JSON.stringify({ batch }));
  }
}
