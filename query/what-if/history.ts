/**
 * A tenant's past as its tables have it, for a what-if: DuckDB over hot rows and cold files, in the order of
 * the log.
 *
 * Events come in windows of sequences, each sorted by DuckDB: files are sorted by person within a day, and
 * what does not fit in memory spills.
 *
 * - One statement runs at a time; it sees one snapshot of its table.
 */
import type {
  EdgeReason,
  EdgeState,
  PastEdge,
  PastEvent,
  SequenceRange,
  TenantHistory,
} from '../../engine/what-if/history.ts';
import { TEXT_COLUMNS } from '../../engine/what-if/history.ts';
import { extensionPath, native } from '../../native/index.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import type { Catalog } from '../catalog.ts';
import type { Connection, Database, DataChunk, Parameter } from '../duckdb.ts';
import type { ScanBound } from '../pruning.ts';
import { TableSnapshots } from '../table-snapshots.ts';
import { openWorkerDatabase } from '../worker-database.ts';
import type { WorkerSettings } from '../worker-protocol.ts';

/** Events with what identity reads of them, and edges with the identifiers they lie between. */
export const HISTORY_CATALOG: Catalog = {
  setup: [],
  relations: [
    {
      name: 'past_events',
      select: `SELECT sequence, received_at, timestamp, anchor, ${TEXT_COLUMNS.join(', ')} FROM {events}`,
      scans: ['events'],
      boundColumns: [],
    },
    {
      name: 'past_edges',
      select: `SELECT sequence, received_at, edge, a_anchor,
        identifier_type(a_node) AS a_type, identifier_value(a_node) AS a_value,
        identifier_type(b_node) AS b_type, identifier_value(b_node) AS b_value,
        kind, state, reason FROM {edges}`,
      scans: ['edges'],
      boundColumns: [],
    },
  ],
};

type PastRelation = 'past_events' | 'past_edges';

const TABLES: Readonly<Record<PastRelation, string>> = {
  past_events: 'events',
  past_edges: 'edges',
};
/** Doubles, since they are read without making a bigint each; sequences and times are below 2^53. */
const MOMENT = 'sequence::DOUBLE, epoch_us(received_at)::DOUBLE';
const EDGE_COLUMNS = `${MOMENT}, a_type, a_value, b_type, b_value, coalesce(a_anchor, 0)::UINTEGER, state, reason`;
const NEWEST_ROWS = `QUALIFY row_number() OVER (PARTITION BY edge ORDER BY sequence DESC) = 1 ORDER BY edge`;

export class TableHistory implements TenantHistory {
  readonly #database: Database;
  readonly #snapshots: TableSnapshots;
  readonly #all: SequenceRange;

  private constructor(database: Database, snapshots: TableSnapshots, last: number) {
    this.#database = database;
    this.#snapshots = snapshots;
    this.#all = { first: 0, last };
  }

  /**
   * Once in a process: the native addon knows one hot directory.
   * @param last the last sequence that counts.
   */
  static async open(
    settings: WorkerSettings & { hotDirectory: string },
    last: number,
  ): Promise<TableHistory> {
    const { coldDirectory, hotDirectory } = settings;
    const reason = native.openHotDirectory(hotDirectory);
    if (reason !== '') throw new Error(`hot directory: ${reason}`);
    // Cold files have paths relative to their directory.
    if (coldDirectory !== null) process.chdir(coldDirectory);
    const database = await openWorkerDatabase(settings, extensionPath);
    const fileSystem = new NodeFileSystem();
    const snapshots = new TableSnapshots(hotDirectory, native, fileSystem);
    return new TableHistory(database, snapshots, last);
  }

  async *events(range: SequenceRange): AsyncGenerator<readonly PastEvent[]> {
    const texts = TEXT_COLUMNS.map((name) => `${name}::VARCHAR`).join(', ');
    const sql = `SELECT ${MOMENT}, epoch_us(timestamp)::DOUBLE, coalesce(anchor, 0)::UINTEGER, ${texts}
      FROM past_events WHERE ${within(range)} ORDER BY sequence`;
    for await (const chunk of this.#chunks('past_events', range, sql)) {
      yield rowsOf(chunk).map(([sequence, received, timestamp, anchor, ...values]) => ({
        sequence: Number(sequence),
        receivedAtMicros: Number(received),
        timestampMicros: Number(timestamp),
        anchor: Number(anchor),
        texts: values as (string | null)[],
      }));
    }
  }

  manualEdges(range: SequenceRange): Promise<PastEdge[]> {
    return this.#edges(range, `kind = 'manual' AND ${within(range)} ORDER BY sequence`);
  }

  edgesOfAnchors(anchors: readonly number[]): Promise<PastEdge[]> {
    const filter = `a_anchor IN (SELECT unnest($1::UINTEGER[])) AND ${within(this.#all)}`;
    return this.#edges(this.#all, `${filter} ${NEWEST_ROWS}`, anchors);
  }

  edgesOfValues(values: readonly string[]): Promise<PastEdge[]> {
    const listed = `(SELECT unnest(from_json($1, '["VARCHAR"]')))`;
    const filter = `a_value IN ${listed} AND b_value IN ${listed} AND ${within(this.#all)}`;
    return this.#edges(this.#all, `${filter} ${NEWEST_ROWS}`, values);
  }

  async statementCounts(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#rows(
      'past_edges',
      this.#all,
      `SELECT state, count(*) FROM past_edges WHERE ${within(this.#all)} GROUP BY state`,
    );
    return new Map(rows.map(([state, count]) => [String(state), Number(count)]));
  }

  async publicIds(profiles: readonly number[]): Promise<ReadonlyMap<number, string>> {
    const rows = await this.#rows(
      'past_edges',
      this.#all,
      'SELECT one, profile_id(one)::VARCHAR FROM (SELECT unnest($1::UINTEGER[]) AS one)',
      [JSON.stringify(profiles)],
    );
    return new Map(rows.map(([profile, id]) => [Number(profile), String(id)]));
  }

  /** @param list the parameter of `rest`, where it has one; without any in it there is no row. */
  async #edges(
    range: SequenceRange,
    rest: string,
    list?: readonly (number | string)[],
  ): Promise<PastEdge[]> {
    if (list?.length === 0) return [];
    const sql = `SELECT ${EDGE_COLUMNS} FROM past_edges WHERE a_type IS NOT NULL AND b_type IS NOT NULL AND ${rest}`;
    const parameters = list === undefined ? [] : [JSON.stringify(list)];
    const rows = await this.#rows('past_edges', range, sql, parameters);
    return rows.map(
      ([sequence, received, aType, aValue, bType, bValue, aAnchor, state, reason]) => ({
        sequence: Number(sequence),
        receivedAtMicros: Number(received),
        a: { type: String(aType), value: String(aValue) },
        b: { type: String(bType), value: String(bValue) },
        aAnchor: Number(aAnchor),
        state: state as EdgeState,
        reason: reason as EdgeReason,
      }),
    );
  }

  /** All rows of our own `sql`, which are few. */
  async #rows(
    relation: PastRelation,
    range: SequenceRange,
    sql: string,
    parameters: readonly Parameter[] = [],
  ): Promise<unknown[][]> {
    const rows: unknown[][] = [];
    for await (const chunk of this.#chunks(relation, range, sql, parameters)) {
      rows.push(...rowsOf(chunk));
    }
    return rows;
  }

  /**
   * The rows of our own `sql`; each chunk is valid until the next is asked for.
   * @param sql names `relation` only; rows outside `range` may be left out of it.
   */
  async *#chunks(
    relation: PastRelation,
    range: SequenceRange,
    sql: string,
    parameters: readonly Parameter[] = [],
  ): AsyncGenerator<DataChunk> {
    const connection = await this.#database.connect();
    try {
      await this.#hold(connection, relation, range);
      const statement = await connection.prepare(sql);
      for (const [index, value] of parameters.entries()) statement.bind(index + 1, value);
      const result = await statement.stream();
      for (;;) {
        const chunk = await result.nextChunk();
        if (chunk === null) return;
        yield chunk;
      }
    } finally {
      connection.close();
      native.clearScanBounds();
      this.#snapshots.release();
    }
  }

  async #hold(
    connection: Connection,
    relation: PastRelation,
    { first, last }: SequenceRange,
  ): Promise<void> {
    const table = TABLES[relation];
    const [min, max] = [BigInt(first), BigInt(last)];
    const bound: ScanBound = { table, column: 'sequence', kind: 'integer', min, max };
    native.setScanBound(table, bound.column, bound.min, bound.max);
    await connection.run('BEGIN TRANSACTION');
    const held = await this.#snapshots.hold(HISTORY_CATALOG, new Map([[relation, 1]]), [bound]);
    for (const statement of held.statements) await connection.run(statement);
  }
}

function within({ first, last }: SequenceRange): string {
  return `sequence BETWEEN ${first} AND ${last}`;
}

function rowsOf(chunk: DataChunk): unknown[][] {
  const columns = Array.from({ length: chunk.columnCount }, (_, index) =>
    chunk.getColumnVector(index),
  );
  return Array.from({ length: chunk.rowCount }, (_, row) =>
    columns.map((column) => column.getItem(row)),
  );
}
