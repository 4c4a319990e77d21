/** Identity's edges as rows of the hot `edges` table. */
import { assert } from '../base/assert.ts';
import type { Edge, EdgeLog } from '../identity/edge-log.ts';
import { identifierTypeName } from '../identity/identifier-types.ts';
import { EDGES } from '../storage/edges-schema.ts';
import type { HotTable } from '../storage/hot-table.ts';

/** Turns a node back into the identifier it stands for. */
export interface NodeNames {
  typeOf(node: number): number;
  valueOf(node: number): string;
}

export class EdgeTable implements EdgeLog {
  readonly #table: HotTable;
  readonly #names: () => NodeNames;

  /** `names` is asked when an edge comes; the graph that has them is built around this log. */
  constructor(table: HotTable, names: () => NodeNames) {
    this.#table = table;
    this.#names = names;
  }

  append(edge: Edge): void {
    const names = this.#names();
    const aValue = names.valueOf(edge.aNode);
    const bValue = names.valueOf(edge.bNode);
    // UTF-16 code units take at most three bytes of UTF-8 each.
    const row = this.#table.beginRow(3 * Math.max(aValue.length, bValue.length));
    row.setU64(EDGES.sequence, edge.sequence);
    row.setTimestamp(EDGES.receivedAt, edge.receivedAtMicros);
    row.setDictionary(EDGES.aType, typeName(names.typeOf(edge.aNode)));
    row.setUtf8(EDGES.aValue, aValue);
    row.setDictionary(EDGES.bType, typeName(names.typeOf(edge.bNode)));
    row.setUtf8(EDGES.bValue, bValue);
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

function typeName(type: number): string {
  const name = identifierTypeName(type);
  assert(name !== undefined, 'a node has a type there is');
  return name;
}
