/**
 * Where in the order of edges the merges are, coarsely: the edge of one merge in a thousand. Who has a merge's
 * number starts at the mark before it and counts on. Merges are numbered from 1 in the order of their edges.
 */
import { assert } from '../base/assert.ts';

/** Merges from mark to mark, a power of two. Undo looks at a few thousand edges, and a merge takes a thousandth of a word. */
const MERGES_PER_MARK = 1024;

export class MergeMarks {
  readonly #marks: number[] = [];
  #count = 0;
  #lastEdge = 0;

  get count(): number {
    return this.#count;
  }

  /** Takes the next merge. @returns its number. */
  note(edge: number): number {
    assert(edge > this.#lastEdge, 'merges come in the order of their edges, one for each at most');
    if ((this.#count & (MERGES_PER_MARK - 1)) === 0) this.#marks.push(edge);
    this.#lastEdge = edge;
    this.#count += 1;
    return this.#count;
  }

  /** The edge of a merge there was. @param isMerged whether an edge made one. */
  edgeOf(merge: number, isMerged: (edge: number) => boolean): number {
    let edge = this.#marks[Math.floor((merge - 1) / MERGES_PER_MARK)]!;
    for (let left = (merge - 1) % MERGES_PER_MARK; left > 0; ) {
      edge += 1;
      if (isMerged(edge)) left -= 1;
    }
    return edge;
  }
}
