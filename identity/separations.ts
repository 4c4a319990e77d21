/** Pairs of identifiers that an operator declared to be different people, whatever arrives. */
import {
  partOfNumbers,
  restoreNumbers,
  type StatePart,
  type StateSource,
} from '../storage/state-part.ts';

/** The part of a checkpoint that has the pairs, each once. */
const SEPARATIONS = 'separations';

export class Separations {
  readonly #partners = new Map<number, Set<number>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(a: number, b: number): void {
    if (this.has(a, b)) return;
    this.#partnersOf(a).add(b);
    this.#partnersOf(b).add(a);
    this.#count += 1;
  }

  remove(a: number, b: number): void {
    if (!this.has(a, b)) return;
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const partners = this.#partnersOf(node);
      partners.delete(other);
      if (partners.size === 0) this.#partners.delete(node);
    }
    this.#count -= 1;
  }

  /** Nothing is kept apart from `node` any more. */
  forget(node: number): void {
    for (const partner of [...(this.#partners.get(node) ?? [])]) this.remove(node, partner);
  }

  has(a: number, b: number): boolean {
    return this.#partners.get(a)?.has(b) ?? false;
  }

  /** Whether any two of these nodes are to stay apart. */
  part(nodes: Iterable<number>): boolean {
    if (this.#count === 0) return false;
    const together = new Set(nodes);
    for (const node of together) {
      for (const partner of this.#partners.get(node) ?? []) {
        if (together.has(partner)) return true;
      }
    }
    return false;
  }

  /** What a checkpoint keeps. */
  state(): StatePart {
    const pairs: number[] = [];
    for (const [node, partners] of this.#partners) {
      for (const partner of partners) if (node < partner) pairs.push(node, partner);
    }
    return partOfNumbers(SEPARATIONS, Uint32Array.from(pairs));
  }

  /** Takes over what {@link Separations.state} was. */
  async restore(source: StateSource): Promise<void> {
    const pairs = await restoreNumbers(SEPARATIONS, source);
    for (let at = 0; at + 1 < pairs.length; at += 2) this.add(pairs[at]!, pairs[at + 1]!);
  }

  #partnersOf(node: number): Set<number> {
    let partners = this.#partners.get(node);
    if (partners === undefined) {
      partners = new Set();
      this.#partners.set(node, partners);
    }
    return partners;
  }
}
