/**
 * Why people are who they are, for the tenant of an admin key. docs/identity-api.md is the contract.
 *
 *     GET /v1/profiles/{id}/graph[?format=json|gexf|graphml]
 *     GET /v1/identity/explain?a=type:value&b=type:value
 *
 * The shape of a graph comes from identity's arrays; what was said of each edge, and by which event, from a
 * query of the tables `edges` and `events`, which has the budget and the queue of any other.
 */
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { MIB } from '../base/units.ts';
import { requireReady } from './batch-intake.ts';
import { authenticateAdmin } from './credentials.ts';
import { asTributaryError, HttpExchange, serveGet } from './http-exchange.ts';
import type {
  ApplianceState,
  Authenticator,
  GraphAnswer,
  Identifier,
  IdentityGraphs,
  IdentityResolver,
  SqlExecutor,
} from './ports.ts';
import { queryRows, type Row } from './sql-rows.ts';
import type { HttpRequest, TemplatedApp } from './uws.ts';

const LIMITS_OF_QUERY = { bytesMax: 4 * MIB, timeoutMs: 30_000 } as const;
const CONTENT_TYPES = {
  json: 'application/json',
  gexf: 'application/gexf+xml',
  graphml: 'application/graphml+xml',
} as const;
type Format = keyof typeof CONTENT_TYPES;

const STATEMENT = [
  'kind',
  'reason',
  'rule_version',
  'sequence',
  'message_id',
  'event_type',
  'source',
];

export interface IdentityGraphContext {
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  state(): ApplianceState;
}

export function serveIdentityGraphs(app: TemplatedApp, context: IdentityGraphContext): void {
  serveGet(app, '/v1/profiles/:id/graph', (response, request) => {
    const exchange = new HttpExchange(response, request);
    const format = request.getQuery('format');
    answerWith(context, exchange, profileGraph(context, request), (graph, graphs) => {
      if (format === undefined || format === '') exchange.answer(200, graph);
      else
        exchange.answerText(
          200,
          CONTENT_TYPES[formatOf(format)],
          graphs.draw(graph, formatOf(format)),
        );
    });
  });
  serveGet(app, '/v1/identity/explain', (response, request) => {
    const exchange = new HttpExchange(response, request);
    answerWith(context, exchange, explanation(context, request), (body) =>
      exchange.answer(200, body),
    );
  });
}

function answerWith<Body>(
  context: IdentityGraphContext,
  exchange: HttpExchange,
  asked: Promise<Body>,
  answer: (body: Body, graphs: IdentityGraphs) => void,
): void {
  asked
    .then((body) => answer(body, ready(context).graphs))
    .catch((error: unknown) => {
      const answered = asTributaryError(error);
      if (answered.status === 500) context.logger.log('error', 'a graph failed', { error });
      exchange.answerError(answered);
    });
}

/** Reads the request before its first await. */
async function profileGraph(
  context: IdentityGraphContext,
  request: HttpRequest,
): Promise<GraphAnswer> {
  const { tenantId } = authenticateAdmin(context.authenticator, request, ['format']);
  const profile = request.getParameter(0) ?? '';
  formatOf(request.getQuery('format') ?? '');
  const { graphs, sql } = ready(context);
  const graph = graphs.graph(tenantId, profile);
  if (graph === undefined)
    throw new TributaryError('TRIBUTARY_IDENTITY_PROFILE_UNKNOWN', { profile });
  return withStatements(sql, tenantId, graph);
}

/** Reads the request before its first await. */
async function explanation(context: IdentityGraphContext, request: HttpRequest): Promise<object> {
  const { tenantId } = authenticateAdmin(context.authenticator, request, ['a', 'b']);
  const [a, b] = [identifierOf(request, 'a'), identifierOf(request, 'b')];
  const { graphs, identity, sql } = ready(context);
  const found = graphs.explain(tenantId, a, b);
  if (found === undefined) {
    const unknown = [a, b].filter((end) => identity?.resolve(tenantId, end) === null);
    const identifiers = unknown.map(({ type, value }) => `${type}:${value.slice(0, 64)}`);
    throw new TributaryError('TRIBUTARY_IDENTITY_IDENTIFIER_UNKNOWN', {
      identifiers: identifiers.join(' nor '),
    });
  }
  const shown = await withStatements(sql, tenantId, found);
  if (found.joined) return shown;
  // The two come first; what was said of identifiers without an anchor is in the table alone.
  const [first, second] = found.nodes;
  return { ...shown, obstacles: await obstaclesBetween(sql, tenantId, first!, second!) };
}

/** Adds to each edge what was said of it first, and by which event. */
async function withStatements<Graph extends GraphAnswer>(
  sql: SqlExecutor,
  tenantId: string,
  graph: Graph,
): Promise<Graph> {
  if (graph.edges.length === 0) return graph;
  const rows = await queryRows(sql, tenantId, {
    sql: `SELECT said.edge, kind, reason, rule_version, said.sequence, message_id, type, source
      FROM (SELECT * FROM edges WHERE edge IN (${graph.edges.map(({ edge }) => edge).join(',')})
        AND state <> 'retracted') AS said
      LEFT JOIN events ON events.sequence = said.sequence ORDER BY said.sequence DESC`,
    params: [],
    ...LIMITS_OF_QUERY,
  });
  const statements = new Map<number, Row>(rows.map((row) => [Number(row[0]), row.slice(1)]));
  const edges = graph.edges.map((edge) => ({ ...edge, ...named(statements.get(edge.edge)) }));
  return { ...graph, edges };
}

function named(row: Row | undefined): Record<string, string | number | null> {
  const cells = (row ?? []) as (string | number | null)[];
  return Object.fromEntries(STATEMENT.map((name, index) => [name, cells[index] ?? null]));
}

/** What keeps two identifiers apart, said of them directly: newest first. */
async function obstaclesBetween(
  sql: SqlExecutor,
  tenantId: string,
  a: Identifier,
  b: Identifier,
): Promise<object[]> {
  const columns = ['state', 'reason', 'kind', 'rule_version', 'sequence', 'received_at'];
  const rows = await queryRows(sql, tenantId, {
    sql: `SELECT ${columns.join(', ')} FROM edges
      WHERE state IN ('demoted', 'forbidden', 'quarantined') AND (
        (a_type = $1 AND a_value = $2 AND b_type = $3 AND b_value = $4) OR
        (a_type = $3 AND a_value = $4 AND b_type = $1 AND b_value = $2) OR
        (state = 'quarantined' AND b_type = $1 AND b_value = $2) OR
        (state = 'quarantined' AND b_type = $3 AND b_value = $4))
      ORDER BY sequence DESC LIMIT 100`,
    params: [a.type, a.value, b.type, b.value],
    ...LIMITS_OF_QUERY,
  });
  return rows.map((row) => Object.fromEntries(columns.map((name, index) => [name, row[index]])));
}

function ready(context: IdentityGraphContext): {
  graphs: IdentityGraphs;
  identity: IdentityResolver | undefined;
  sql: SqlExecutor;
} {
  const { graphs, identity, sql } = requireReady(context.state());
  if (graphs === undefined) throw invalid('this appliance has no identity graphs');
  return { graphs, identity, sql };
}

/** @throws TRIBUTARY_INGEST_REQUEST_INVALID */
function formatOf(text: string): Format {
  if (text === '') return 'json';
  if (Object.hasOwn(CONTENT_TYPES, text)) return text as Format;
  throw invalid(`the formats of a graph are ${Object.keys(CONTENT_TYPES).join(', ')}`);
}

/** `type:value` of the query; the value may have colons of its own. */
function identifierOf(request: HttpRequest, name: string): Identifier {
  const text = request.getQuery(name) ?? '';
  const colon = text.indexOf(':');
  if (colon > 0) return { type: text.slice(0, colon), value: text.slice(colon + 1) };
  throw invalid(`explain has ?a=type:value&b=type:value, percent-encoded; ${name} is none`);
}

function invalid(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
}
