/**
 * Room in identity for the identifiers that batches bring. The stager claims the most that the events of a batch
 * could hold before it stages a row of them; here is made what its claims are granted from.
 *
 *   free       identifiers the stager may still bring
 *   staged     identifiers in rows that were staged and are not folded yet
 *
 * - Identity's arrays have room for what all that is free or staged can lead to, and for a command: so the fold
 *   cannot run out, and a batch that finds no room is refused before anything of it is staged or logged.
 * - What is free is made up for in advance, as results come, so that the stager hardly ever has to ask.
 * - A store that is nearly full is asked for no more than what is claimed: what went in once goes in again when
 *   it is replayed, however the batches fell then.
 */
import { TributaryError } from '../base/errors.ts';
import type { IdentityGraph } from '../identity/identity-graph.ts';

/** Of about 100 bytes each in identity's arrays. Three hundred batches of a hundred events bring as many. */
const FREE_IDENTIFIERS = 64 * 1024;
/** Free, of the claims that come; the second is claimed while the first is not settled. */
const CLAIMS_FREE = 2;
/** A small store keeps no more of itself free. */
const FREE_SHARE = 1 / 16;
/** A command of fewer bytes names no identifier. */
const COMMAND_IDENTIFIER_BYTES = 8;

export class IdentityRoom {
  readonly #identity: Pick<IdentityGraph, 'makeRoom' | 'grant'>;
  readonly #freeMax: number;
  #freeGoal: number;
  /** Given so far, as far as was told. */
  #nodes = 0;
  #free = 0;
  #staged = 0;
  /** Of the largest command there was. */
  #command = 0;

  /** @param nodesMax identifiers the store can hold. */
  constructor(identity: Pick<IdentityGraph, 'makeRoom' | 'grant'>, nodesMax: number) {
    this.#identity = identity;
    this.#freeMax = Math.floor(nodesMax * FREE_SHARE);
    this.#freeGoal = Math.min(FREE_IDENTIFIERS, this.#freeMax);
  }

  /** Identifiers given, as far as was told. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Rows were staged that hold so many identifiers; `nodes` are given by then. */
  stage(identifiers: number, nodes: number): void {
    this.#nodes = nodes;
    this.#staged += identifiers;
    this.#free -= identifiers;
    if (this.#free < this.#freeGoal / 2 && !this.#tryFree(this.#freeGoal)) this.#freeGoal = 0;
  }

  /** Rows were folded that hold so many identifiers. */
  fold(identifiers: number): void {
    this.#staged -= identifiers;
  }

  /**
   * The stager waits with a batch that claims so many; all it staged before was told of.
   * @throws TRIBUTARY_STORAGE_REGION_FULL; the batch is refused then.
   */
  claim(identifiers: number): void {
    if (identifiers <= this.#free) return;
    const goal = Math.max(FREE_IDENTIFIERS, CLAIMS_FREE * identifiers);
    this.#freeGoal = Math.min(goal, this.#freeMax);
    if (this.#freeGoal > identifiers && this.#tryFree(this.#freeGoal)) return;
    this.#freeGoal = 0;
    this.#setFree(identifiers);
  }

  /**
   * Finds room for a command of so many bytes, one at a time.
   * @throws TRIBUTARY_STORAGE_REGION_FULL
   */
  claimCommand(bytes: number): void {
    const before = this.#command;
    this.#command = Math.max(before, Math.ceil(bytes / COMMAND_IDENTIFIER_BYTES));
    try {
      this.#setFree(this.#free);
    } catch (error) {
      this.#command = before;
      throw error;
    }
  }

  /** Takes back what is free. Nothing is with the stager. */
  withdraw(): void {
    this.#identity.grant(-this.#free);
    this.#free = 0;
  }

  #tryFree(identifiers: number): boolean {
    try {
      this.#setFree(identifiers);
      return true;
    } catch (error) {
      if (error instanceof TributaryError) return false;
      throw error;
    }
  }

  #setFree(identifiers: number): void {
    this.#identity.makeRoom(this.#nodes, this.#staged + identifiers + this.#command);
    this.#identity.grant(identifiers - this.#free);
    this.#free = identifiers;
  }
}
