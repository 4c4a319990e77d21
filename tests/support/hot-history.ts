/** A tenant's past from its hot segments, row by row: slow and obvious. */
import type { PastEdge, PastEvent, TenantHistory } from '../../engine/what-if/history.ts';
import { TEXT_COLUMNS } from '../../engine/what-if/history.ts';
import type { TestEngine } from './engine-fixture.ts';

export class HotHistory implements TenantHistory {
  readonly #engine: TestEngine;

  constructor(engine: TestEngine) {
    this.#engine = engine;
  }

  async *events(): AsyncGenerator<readonly PastEvent[]> {
    yield this.#engine
      .rows()
      .filter(({ hidden }) => !hidden)
      .map((row) => ({
        sequence: Number(row['sequence']),
        receivedAtMicros: Number(row['received_at']),
        timestampMicros: Number(row['timestamp']),
        anchor: Number(row['anchor'] ?? 0),
        texts: TEXT_COLUMNS.map((name) => row[name] as string | null),
      }));
  }

  async manualEdges(): Promise<PastEdge[]> {
    return this.#edges((edge) => edge['kind'] === 'manual');
  }

  async edgesOfAnchors(anchors: readonly number[]): Promise<PastEdge[]> {
    return newest(this.#edges((edge) => anchors.includes(Number(edge['a_anchor']))));
  }

  async edgesOfValues(values: readonly string[]): Promise<PastEdge[]> {
    const isNamed = (value: unknown): boolean => values.includes(String(value));
    return newest(this.#edges((edge) => isNamed(edge['a_value']) && isNamed(edge['b_value'])));
  }

  async statementCounts(): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    for (const { state } of this.#edges(() => true)) {
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    return counts;
  }

  async publicIds(profiles: readonly number[]): Promise<ReadonlyMap<number, string>> {
    const { profiles: store } = this.#engine.tenant.identity;
    return new Map(profiles.map((profile) => [profile, store.idOf(profile)]));
  }

  #edges(isWanted: (edge: Record<string, unknown>) => boolean): (PastEdge & { edge: number })[] {
    const { identity } = this.#engine.tenant;
    const nameOf = (edge: Record<string, unknown>, side: 'a' | 'b') => ({
      type: identity.typeOf(Number(edge[`${side}_node`])),
      value: String(edge[`${side}_value`]),
    });
    return this.#engine
      .edges()
      .filter(isWanted)
      .map((edge) => ({
        edge: Number(edge['edge']),
        sequence: Number(edge['sequence']),
        receivedAtMicros: Number(edge['received_at']),
        a: nameOf(edge, 'a'),
        b: nameOf(edge, 'b'),
        aAnchor: Number(edge['a_anchor'] ?? 0),
        state: edge['state'] as PastEdge['state'],
        reason: edge['reason'] as PastEdge['reason'],
      }));
  }
}

/** The last row of each edge, oldest edge first. */
function newest(rows: readonly (PastEdge & { edge: number })[]): PastEdge[] {
  const last = new Map(rows.map((row) => [row.edge, row]));
  return [...last.values()].sort((a, b) => a.edge - b.edge);
}
