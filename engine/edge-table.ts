/** Identity's edges as rows of the hot `edges` table. */
import type { Edge, EdgeLog } from '../identity/edge-log.ts';
import { EDGES } from '../storage/edges-schema.ts';
import type { HotTable } from '../storage/hot-table.ts';

/** The longest kind, state or reason, bytes. */
const TEXT_BYTES_MAX = 16;

export class EdgeTable implements EdgeLog {
  readonly #table: HotTable;

  constructor(table: HotTable) {
    this.#table = table;
  }

  append(edge: Edge): void {
    const row = this.#table.beginRow(TEXT_BYTES_MAX);
    row.setU64(EDGES.sequence, edge.sequence);
    row.setTimestamp(EDGES.receivedAt, edge.receivedAtMicros);
    row.setU32(EDGES.aNode, edge.aNode);
    row.setU32(EDGES.bNode, edge.bNode);
    row.setDictionary(EDGES.kind, edge.kind);
    row.setDictionary(EDGES.state, edge.state);
    row.setDictionary(EDGES.reason, edge.reason);
    row.endRow();
  }

  /** Makes the edges appended so far visible. */
  publish(): void {
    this.#table.publishTo(this.#table.stagedRows);
  }
}
