/**
 * DuckDB, as much of it as query/ uses. The only module that imports @duckdb/node-api.
 *
 * Ownership: a chunk's vectors point into DuckDB's memory and are valid until the next chunk of the
 * same result is fetched or its connection is closed; text and numbers read from them are copies.
 *
 * Threads: everything that can take long runs on libuv's threads and resolves later; `interrupt` may
 * be called meanwhile. One connection runs one statement at a time.
 *
 * Failure: DuckDB's errors are Errors whose text {@link readProblem} takes apart.
 */
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBPreparedStatement,
  type DuckDBResult,
  type DuckDBType,
  ResultReturnType,
  StatementType,
} from '@duckdb/node-api';

export {
  DuckDBArrayType as ArrayType,
  DuckDBArrayValue as ArrayValue,
  DuckDBBlobValue as BlobValue,
  type DuckDBDataChunk as DataChunk,
  DuckDBDateValue as DateValue,
  DuckDBDecimalType as DecimalType,
  DuckDBDecimalValue as DecimalValue,
  DuckDBListType as ListType,
  DuckDBListValue as ListValue,
  DuckDBMapType as MapType,
  DuckDBMapValue as MapValue,
  DuckDBStructType as StructType,
  DuckDBStructValue as StructValue,
  DuckDBTimestampNanosecondsValue as TimestampNanosecondsValue,
  DuckDBTimestampTZValue as TimestampTzValue,
  DuckDBTimestampValue as TimestampValue,
  type DuckDBType as ColumnType,
  DuckDBTypeId as TypeId,
  DuckDBUnionType as UnionType,
  DuckDBUnionValue as UnionValue,
  type DuckDBValue as Value,
  DuckDBVariantValue as VariantValue,
  type DuckDBVector as Vector,
} from '@duckdb/node-api';

/** A parameter of a statement, as JSON has it; an integer beyond 2^53 comes as a string. */
export type Parameter = string | number | boolean | null;

/** What a statement does, as far as the gate cares. */
export type StatementKind = 'select' | 'explain' | 'other';

export class Database {
  readonly #instance: DuckDBInstance;

  private constructor(instance: DuckDBInstance) {
    this.#instance = instance;
  }

  /** A new database in memory. `options` are DuckDB's own settings. */
  static async open(options: Readonly<Record<string, string>>): Promise<Database> {
    return new Database(await DuckDBInstance.create(':memory:', { ...options }));
  }

  async connect(): Promise<Connection> {
    return new Connection(await this.#instance.connect());
  }

  /** Its connections are closed before. */
  close(): void {
    this.#instance.closeSync();
  }
}

export class Connection {
  readonly #connection: DuckDBConnection;

  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  /** Runs our own SQL and gives all rows, integers of 64 bits and more as bigint. */
  async rows(sql: string, parameters: readonly Parameter[] = []): Promise<unknown[][]> {
    const reader = await this.#connection.runAndReadAll(sql, [...parameters]);
    return reader.getRows();
  }

  async run(sql: string): Promise<void> {
    await this.#connection.run(sql);
  }

  /** Ends the results that are open and the transaction, where there is one. */
  async rollBack(): Promise<void> {
    try {
      await this.#connection.run('ROLLBACK');
    } catch {
      // There was no transaction: it was committed, or never begun.
    }
  }

  /** Prepares `sql`, which must be exactly one statement. */
  async prepare(sql: string): Promise<Statement> {
    const extracted = await this.#connection.extractStatements(sql);
    if (extracted.count !== 1) throw new Error(`Parser Error: ${extracted.count} statements`);
    return new Statement(await extracted.prepare(0));
  }

  /** Makes the running statement fail with the problem `interrupt`, soon. */
  interrupt(): void {
    this.#connection.interrupt();
  }

  close(): void {
    this.#connection.closeSync();
  }
}

export class Statement {
  readonly #prepared: DuckDBPreparedStatement;

  constructor(prepared: DuckDBPreparedStatement) {
    this.#prepared = prepared;
  }

  get kind(): StatementKind {
    const type = this.#prepared.statementType;
    if (type === StatementType.SELECT) return 'select';
    return type === StatementType.EXPLAIN ? 'explain' : 'other';
  }

  /**
   * `1`, `2` … for `$1` and `?`, a word for `$word`. Undefined where numbers leave one out (`$1 + $3`): DuckDB counts
   * two then, and has no name for the second.
   */
  get parameterNames(): string[] | undefined {
    const names: string[] = [];
    for (let position = 1; position <= this.#prepared.parameterCount; position += 1) {
      try {
        names.push(this.#prepared.parameterName(position));
      } catch (error) {
        if (error instanceof RangeError) return undefined;
        throw error;
      }
    }
    return names;
  }

  /** Gives `value` to the parameter at `position`, from 1. */
  bind(position: number, value: Parameter): void {
    if (value === null) this.#prepared.bindNull(position);
    else if (typeof value === 'string') this.#prepared.bindVarchar(position, value);
    else if (typeof value === 'boolean') this.#prepared.bindBoolean(position, value);
    else if (!Number.isSafeInteger(value)) this.#prepared.bindDouble(position, value);
    else if (value === (value | 0)) this.#prepared.bindInteger(position, value);
    else this.#prepared.bindBigInt(position, BigInt(value));
  }

  /** Starts it; rows are computed as chunks are fetched. */
  async stream(): Promise<Result> {
    return new Result(await this.#prepared.stream());
  }

  /** Runs it to its end and drops what it gives. For EXPLAIN ANALYZE, which gives little. */
  async run(): Promise<void> {
    await this.#prepared.run();
  }

  close(): void {
    this.#prepared.destroySync();
  }
}

/** A streamed result that ended by an error instead of its last row. */
export class StreamBrokenError extends Error {
  override readonly name = 'StreamBrokenError';
}

/** The rows of a running statement. */
export class Result {
  readonly columnNames: readonly string[];
  /** As `columnNames`, with `:1`, `:2` … behind a name that was there before. */
  readonly distinctColumnNames: readonly string[];
  readonly columnTypes: readonly DuckDBType[];
  readonly #result: DuckDBResult;

  constructor(result: DuckDBResult) {
    this.#result = result;
    this.columnNames = result.columnNames();
    this.distinctColumnNames = result.deduplicatedColumnNames();
    this.columnTypes = result.columnTypes();
  }

  /**
   * The next rows; null after the last.
   *
   * DuckDB's C API gives the same NULL at the end of a stream and after an error in it, and the binding
   * hides the message; but a failed result has no valid return type any more, and that is visible.
   * @throws StreamBrokenError after an error. `EXPLAIN ANALYZE` of the statement tells which.
   */
  async nextChunk(): Promise<DuckDBDataChunk | null> {
    const chunk = await this.#result.fetchChunk();
    if (chunk !== null && chunk.rowCount > 0) return chunk;
    if (this.#result.returnType === ResultReturnType.INVALID) {
      throw new StreamBrokenError('the stream ended by an error');
    }
    return null;
  }
}

/** A DuckDB error, taken apart. */
export interface Problem {
  /** DuckDB's name for the kind, lower case: `binder`, `catalog`, `out of memory`, `interrupt` … */
  readonly kind: string;
  readonly message: string;
  /** DuckDB's finer name: `COLUMN_NOT_FOUND`, or ''. */
  readonly subtype: string;
  /** The name the problem is about, or ''. */
  readonly name: string;
  /** Where in the SQL, in bytes of UTF-8; null when DuckDB does not say. */
  readonly position: number | null;
}

/**
 * Reads the text of a DuckDB error: JSON under the setting `errors_as_json`, for most of them behind
 * nothing and for parser errors behind `Parser Error: `; plain text for a few.
 */
export function readProblem(error: unknown): Problem {
  const text = error instanceof Error ? error.message : String(error);
  const brace = text.indexOf('{"exception_type"');
  if (brace >= 0) {
    try {
      return problemFromFields(JSON.parse(text.slice(brace)));
    } catch {
      // Cut short or followed by more text: the plain reading below still tells the kind.
    }
  }
  const kind = /^([A-Za-z ]+?) Error: /.exec(text);
  const message = kind === null ? text : text.slice(kind[0].length);
  const name = (kind?.[1] ?? 'unknown').toLowerCase();
  return { kind: name, message, subtype: '', name: '', position: null };
}

function problemFromFields(fields: Readonly<Record<string, unknown>>): Problem {
  const text = (key: string): string => {
    const value = fields[key];
    return typeof value === 'string' ? value : '';
  };
  const position = text('position');
  return {
    kind: text('exception_type').toLowerCase(),
    message: text('exception_message'),
    subtype: text('error_subtype'),
    name: text('name'),
    position: /^\d{1,9}$/.test(position) ? Number(position) : null,
  };
}
