/** Identity's edges and receipts as rows of the hot tables `edges` and `merges`. */
import type { Edge, EdgeLog, Merge, Moment } from '../identity/edge-log.ts';
import { EDGES } from '../storage/edges-schema.ts';
import type { HotTable } from '../storage/hot-table.ts';
import { MERGES } from '../storage/merges-schema.ts';

/** The longest kind, state or reason, bytes. */
const TEXT_BYTES_MAX = 32;

export class EdgeTable implements EdgeLog {
  readonly #edges: HotTable;
  readonly #merges: HotTable;

  constructor(edges: HotTable, merges: HotTable) {
    this.#edges = edges;
    this.#merges = merges;
  }

  append(edge: Edge, moment: Moment): void {
    const row = this.#edges.beginRow(TEXT_BYTES_MAX);
    row.setU64(EDGES.sequence, moment.sequence);
    row.setTimestamp(EDGES.receivedAt, moment.receivedAtMicros);
    row.setU32(EDGES.edge, edge.edge);
    row.setU32(EDGES.aNode, edge.aNode);
    row.setU32(EDGES.bNode, edge.bNode);
    if (edge.aAnchor !== 0) {
      row.setU32(EDGES.aAnchor, edge.aAnchor);
      row.setU32(EDGES.bAnchor, edge.bAnchor);
    }
    row.setDictionary(EDGES.kind, edge.kind);
    row.setDictionary(EDGES.state, edge.state);
    row.setDictionary(EDGES.reason, edge.reason);
    row.setU32(EDGES.ruleVersion, moment.ruleVersion);
    row.endRow();
  }

  appendMerge(merge: Merge, moment: Moment): void {
    const row = this.#merges.beginRow(TEXT_BYTES_MAX);
    row.setU64(MERGES.sequence, moment.sequence);
    row.setTimestamp(MERGES.receivedAt, moment.receivedAtMicros);
    row.setDictionary(MERGES.kind, merge.kind);
    if (merge.merge !== 0) row.setU32(MERGES.merge, merge.merge);
    row.setU32(MERGES.survivor, merge.survivor);
    row.setU32(MERGES.loser, merge.loser);
    if (merge.edge !== 0) row.setU32(MERGES.edge, merge.edge);
    if (merge.anchor !== 0) row.setU32(MERGES.anchor, merge.anchor);
    row.setU32(MERGES.ruleVersion, moment.ruleVersion);
    row.endRow();
  }

  /** Makes what was appended so far visible. */
  publish(): void {
    this.#edges.publishTo(this.#edges.stagedRows);
    this.#merges.publishTo(this.#merges.stagedRows);
  }
}
