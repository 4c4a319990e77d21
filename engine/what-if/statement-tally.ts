/** Edges as a what-if keeps them: counted by what they say, with the reason of each and nothing else. */
import type { Edge, EdgeLog, EdgeReason, EdgeState } from '../../identity/edge-log.ts';

const EDGES_MIN = 1024;

export class StatementTally implements EdgeLog {
  readonly #counts = new Map<EdgeState, number>();
  readonly #reasons: EdgeReason[] = [];
  /** By edge, the position of its newest reason in `#reasons`, from 1; grows by doubling. */
  #reasonOf = new Uint8Array(EDGES_MIN);
  readonly #quarantined = new Set<number>();

  append({ edge, state, reason, bNode }: Edge): void {
    this.#counts.set(state, this.count(state) + 1);
    if (state === 'quarantined') this.#quarantined.add(bNode);
    while (edge >= this.#reasonOf.length) {
      const grown = new Uint8Array(2 * this.#reasonOf.length);
      grown.set(this.#reasonOf);
      this.#reasonOf = grown;
    }
    let place = this.#reasons.indexOf(reason);
    if (place === -1) place = this.#reasons.push(reason) - 1;
    this.#reasonOf[edge] = place + 1;
  }

  appendMerge(): void {}

  /** Statements of a state there were. */
  count(state: EdgeState): number {
    return this.#counts.get(state) ?? 0;
  }

  /** What was said last of an edge. */
  reasonOf(edge: number): EdgeReason | undefined {
    return this.#reasons[this.#reasonOf[edge]! - 1];
  }

  /** Whether a node was found to have too many neighbours. */
  isQuarantined(node: number): boolean {
    return this.#quarantined.has(node);
  }
}
