/**
 * Reads the SQL of an analyst: takes EXPLAIN off, has DuckDB parse the rest, and asks the gate.
 *
 * Why a DuckDB of its own: parsing hostile text needs a parser that is the same as the one that will
 * run it, and a crash must not meet data. This instance has no tables, one thread, and is locked; it
 * lives in the worker process, so the appliance itself never parses SQL.
 *
 * DuckDB serialises only SELECT-class statements, so COPY, ATTACH, SET, PRAGMA, CALL, CREATE and all
 * writes are refused here already. EXPLAIN is not serialised either: it is taken off, the statement
 * below it passes the gate, and EXPLAIN is put back, blank-padded so that positions stay true. So are the
 * names of our own schema `system`, since DuckDB has a catalogue called that.
 */
import { LIMITS } from '../base/limits.ts';
import { quoteName } from './cold-source.ts';
import { type Connection, Database, type Problem, readProblem } from './duckdb.ts';
import {
  type Failure,
  failure,
  failureFromDenial,
  failureFromProblem,
  unknownRelation,
} from './failures.ts';
import { checkStatement, type GatePolicy } from './gate.ts';
import { isNode, nodeAt, nodesAt, type TreeNode, textAt } from './sql-tree.ts';
import type { ValueCondition } from './value-pruning.ts';

/** A statement that may run. */
export interface ParsedStatement {
  /** What to run: the analyst's text, with its EXPLAIN in our spelling. */
  readonly sql: string;
  readonly explained: boolean;
  /** By EXPLAIN ANALYZE, which runs it. */
  readonly analyzed: boolean;
  /** The root query node, without EXPLAIN. */
  readonly root: TreeNode;
  /** How often each relation of the catalogue is named. */
  readonly relationUses: ReadonlyMap<string, number>;
}

const EXPLAIN = /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*explain\b(\s+analyze\b)?/i;
const SYSTEM_NAME = /^"?system"?\s*\.\s*"?([a-z_]+)"?/i;
const DYNAMIC_PIVOT = /\bpivot(_wider)?\b/i;
const MEMORY_LIMIT_BYTES = 256_000_000;

export class StatementParser {
  readonly #database: Database;
  readonly #connection: Connection;
  readonly #policy: GatePolicy;

  private constructor(database: Database, connection: Connection, policy: GatePolicy) {
    this.#database = database;
    this.#connection = connection;
    this.#policy = policy;
  }

  static async open(policy: GatePolicy): Promise<StatementParser> {
    const database = await Database.open({
      threads: '1',
      memory_limit: `${MEMORY_LIMIT_BYTES}B`,
      max_temp_directory_size: '0B',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      allow_community_extensions: 'false',
      enable_external_access: 'false',
      errors_as_json: 'true',
    });
    const connection = await database.connect();
    await connection.run(`SET max_expression_depth = ${LIMITS.sqlExpressionDepthMax}`);
    await connection.run('SET lock_configuration = true');
    return new StatementParser(database, connection, policy);
  }

  /** @returns the statement, or why it may not run. */
  async parse(text: string): Promise<ParsedStatement | Failure> {
    const bytes = Buffer.byteLength(text, 'utf8');
    if (bytes > LIMITS.sqlBytesMax) {
      const limitBytes = LIMITS.sqlBytesMax;
      return failure('TRIBUTARY_QUERY_TEXT_TOO_LARGE', { what: 'SQL', bytes, limitBytes });
    }
    if (text.includes('\0')) {
      return failure('TRIBUTARY_QUERY_SYNTAX', { reason: 'it contains a NUL character' });
    }
    const prefix = EXPLAIN.exec(text);
    const rest = text.slice(prefix?.[0].length ?? 0);
    const prefixBytes = bytes - Buffer.byteLength(rest, 'utf8');
    let tree: TreeNode;
    try {
      tree = await this.#serialise(' '.repeat(prefixBytes) + rest);
    } catch (error) {
      return failureFromProblem(readProblem(error), text, MEMORY_LIMIT_BYTES);
    }
    if (tree['error'] !== false) return refusal(tree, text);
    const verdict = checkStatement(tree, this.#policy);
    if (!verdict.allowed) return failureFromDenial(verdict, this.#policy);
    const root = nodeAt(nodesAt(tree, 'statements')[0] ?? {}, 'node');
    if (root === null) return failure('TRIBUTARY_QUERY_STATEMENT_DENIED', { what: 'This' });
    const own = withOwnNames(rest, prefixBytes, verdict.systemNames);
    if (own === null) return unknownRelation('system');
    const explain = prefix === null ? '' : prefix[1] ? 'EXPLAIN ANALYZE' : 'EXPLAIN';
    return {
      sql: explain.padEnd(prefixBytes) + own,
      explained: prefix !== null,
      analyzed: prefix?.[1] !== undefined,
      root,
      relationUses: verdict.relationUses,
    };
  }

  /** The SQL text of an expression that was cut out of a checked tree. */
  async expressionText(expression: TreeNode): Promise<string> {
    return (await this.selectText([expression], () => '')).replace(/^SELECT /, '');
  }

  /**
   * A SELECT of expressions that were cut out of checked trees.
   * @param nameOf what the column of each is to be called.
   */
  async selectText(
    expressions: readonly TreeNode[],
    nameOf: (index: number) => string,
  ): Promise<string> {
    const named = expressions.map((expression, index) => ({ ...expression, alias: nameOf(index) }));
    const query = JSON.stringify({ error: false, statements: [selectOf(named)] });
    const rows = await this.#connection.rows('SELECT json_deserialize_sql($1::JSON)', [query]);
    return String(rows[0]?.[0]);
  }

  /**
   * Those of some values, and NULL, for which a condition about one column is true.
   * @returns null when it fails for one of them, or is of no use.
   */
  async acceptedValues(
    { column, expression }: ValueCondition,
    values: Iterable<string>,
  ): Promise<ReadonlySet<string | null> | null> {
    try {
      const condition = await this.expressionText(expression);
      const name = quoteName(column);
      const asked = [...values, null];
      const rows = await this.#connection.rows(
        `SELECT ${name}, (${condition}) IS TRUE
         FROM (SELECT unnest(from_json($1::JSON, '["VARCHAR"]')) AS ${name})`,
        [JSON.stringify(asked)],
      );
      // A text that DuckDB has read otherwise was not asked about.
      if (asked.some((value, index) => rows[index]?.[0] !== value)) return null;
      return new Set(asked.filter((_, index) => rows[index]![1] === true));
    } catch {
      return null; // The statement itself tells the analyst what is wrong, in its own words.
    }
  }

  close(): void {
    this.#connection.close();
    this.#database.close();
  }

  async #serialise(text: string): Promise<TreeNode> {
    const rows = await this.#connection.rows('SELECT json_serialize_sql($1::VARCHAR)', [text]);
    const tree: unknown = JSON.parse(String(rows[0]?.[0]));
    return isNode(tree) ? tree : {};
  }
}

/**
 * Puts `system_queries` in the place of `system.queries`, blank-padded so that positions stay true.
 * @param prefixBytes what stands before `text` where `positions` count.
 * @returns null where a position holds no such name.
 */
function withOwnNames(
  text: string,
  prefixBytes: number,
  positions: readonly number[],
): string | null {
  if (positions.length === 0) return text;
  let bytes = Buffer.from(text, 'utf8');
  for (const position of positions) {
    const start = position - prefixBytes;
    const found = SYSTEM_NAME.exec(bytes.subarray(Math.max(start, 0)).toString('latin1'));
    if (start < 0 || found === null) return null;
    const [name, table] = found;
    const own = Buffer.from(`system_${table}`.padEnd(name.length), 'latin1');
    bytes = Buffer.concat([bytes.subarray(0, start), own, bytes.subarray(start + name.length)]);
  }
  return bytes.toString('utf8');
}

/** What DuckDB said instead of a tree. */
function refusal(tree: TreeNode, text: string): Failure {
  const message = textAt(tree, 'error_message');
  if (message.startsWith('Only SELECT')) {
    const what = DYNAMIC_PIVOT.test(text) ? 'PIVOT without an IN list of values' : 'This statement';
    return failure('TRIBUTARY_QUERY_STATEMENT_DENIED', { what });
  }
  const position = textAt(tree, 'position');
  const problem: Problem = {
    kind: textAt(tree, 'error_type').toLowerCase(),
    message,
    subtype: textAt(tree, 'error_subtype'),
    name: '',
    position: /^\d{1,9}$/.test(position) ? Number(position) : null,
  };
  return failureFromProblem(problem, text, MEMORY_LIMIT_BYTES);
}

function selectOf(expressions: readonly TreeNode[]): TreeNode {
  return {
    node: {
      type: 'SELECT_NODE',
      modifiers: [],
      cte_map: { map: [] },
      select_list: expressions,
      from_table: { type: 'EMPTY', alias: '', sample: null, query_location: 0 },
      where_clause: null,
      group_expressions: [],
      group_sets: [],
      aggregate_handling: 'STANDARD_HANDLING',
      having: null,
      sample: null,
      qualify: null,
    },
    named_param_map: [],
  };
}
