/**
 * What an operator tells identity, with an admin key: commands about people, and the rules. docs/identity-api.md
 * is the contract.
 *
 *     POST /v1/identity/merges/MERGE/undo     POST /v1/identity/block     GET /v1/identity/rules
 *     POST /v1/profiles/PROFILE/split         POST /v1/identity/link      PUT /v1/identity/rules
 *     POST /v1/identity/unblock               POST /v1/identity/unlink
 *
 * - A command is answered once it is durable and visible; with `dry_run` nothing is logged.
 * - A command that finds nothing to do is no error: the answer says why in `obstacle`.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import type {
  CommandName,
  CommandOutcome,
  IdentityKeeper,
  RulesChange,
} from '../engine/identity-keeper.ts';
import { type AdminAnswer, type AdminContext, AdminRoutes } from './admin-routes.ts';
import { requireReady } from './batch-intake.ts';
import { eventTimes } from './event-times.ts';
import { type CommandRequest, readCommandRequest, readRulesRequest } from './identity-request.ts';
import type { ApplianceState } from './ports.ts';
import { queryRows, type Row } from './sql-rows.ts';
import { summaryText, traitsQuery } from './trait-preview.ts';
import type { HttpRequest, TemplatedApp } from './uws.ts';

export const IDENTITY_RULES_PATH = '/v1/identity/rules';
/** Those that are the same for everybody; they take POST. */
export const IDENTITY_COMMAND_PATHS: readonly string[] = ['block', 'unblock', 'link', 'unlink'].map(
  (name) => `/v1/identity/${name}`,
);
/** Of the traits that a dry run shows. */
const LIMITS_OF_QUERY = { bytesMax: 16 * MIB, timeoutMs: 30_000 } as const;

export interface IdentityCommandContext extends AdminContext {
  readonly clock: Clock;
}

export function serveIdentityCommands(app: TemplatedApp, context: IdentityCommandContext): void {
  const routes = new AdminRoutes(app, context);
  const serve = (
    name: CommandName,
    path: string,
    fixedOf: (request: HttpRequest) => Readonly<Record<string, unknown>> = () => ({}),
  ): void => {
    routes.write('post', path, (request, tenantId) => {
      const fixed = fixedOf(request);
      return (body) => obey(context, tenantId, readCommandRequest(name, body, fixed));
    });
  };
  serve('undo', '/v1/identity/merges/:merge/undo', (request) => ({ merge: mergeOf(request) }));
  serve('split', '/v1/profiles/:id/split', (request) => ({
    profile: request.getParameter(0) ?? '',
  }));
  serve('block', '/v1/identity/block');
  serve('unblock', '/v1/identity/unblock');
  serve('link', '/v1/identity/link');
  serve('unlink', '/v1/identity/unlink');

  routes.get(IDENTITY_RULES_PATH, async (_request, tenantId) => {
    const { rules } = identityKeeper(context.state(), tenantId);
    return { text: JSON.stringify(rules), headers: etagOf(rules.version) };
  });
  routes.write('put', IDENTITY_RULES_PATH, (request, tenantId) => {
    const ifMatch = request.getHeader('if-match');
    return (body) => changeRules(context, tenantId, readRulesRequest(body, ifMatch));
  });
}

/** @throws TributaryError while the appliance is not ready, or where it has no identity */
export function identityKeeper(state: ApplianceState, tenantId: string): IdentityKeeper {
  const { identityKeeper: keeperOf } = requireReady(state);
  if (keeperOf !== undefined) return keeperOf(tenantId);
  const reason = 'this appliance does not keep identity';
  throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
}

async function obey(
  { clock, state }: IdentityCommandContext,
  tenantId: string,
  { command, isDryRun }: CommandRequest,
): Promise<AdminAnswer> {
  const keeper = identityKeeper(state(), tenantId);
  const outcome = await keeper.obey(command, isDryRun, clock.nowMicros());
  const { isChanged, obstacle, before, after } = outcome;
  const rows = isDryRun ? await traitsOf(state(), tenantId, keeper, outcome) : undefined;
  const list = (summaries: typeof before): string =>
    rows === undefined
      ? JSON.stringify(summaries)
      : `[${summaries.map((summary) => summaryText(summary, rows)).join(',')}]`;
  const head = JSON.stringify({ dry_run: isDryRun, changed: isChanged, obstacle });
  return { text: `${head.slice(0, -1)},"before":${list(before)},"after":${list(after)}}` };
}

/** What the anchors of all profiles that a command is about say of traits. */
async function traitsOf(
  state: ApplianceState,
  tenantId: string,
  keeper: IdentityKeeper,
  { before, after }: CommandOutcome,
): Promise<readonly Row[]> {
  const anchors = [...new Set([...before, ...after].flatMap((summary) => summary.anchors))];
  if (anchors.length === 0) return [];
  const query = traitsQuery(anchors, eventTimes(keeper.seenMicros(anchors)));
  return queryRows(requireReady(state).sql, tenantId, { ...query, ...LIMITS_OF_QUERY });
}

async function changeRules(
  { clock, state }: IdentityCommandContext,
  tenantId: string,
  change: RulesChange,
): Promise<AdminAnswer> {
  const { isDryRun } = change;
  const keeper = identityKeeper(state(), tenantId);
  const version = await keeper.changeRules(change, clock.nowMicros());
  const text = JSON.stringify({ dry_run: isDryRun, version });
  return { text, headers: isDryRun ? {} : etagOf(version) };
}

/** The version of something, as a header. */
export function etagOf(version: number): Readonly<Record<string, string>> {
  return { ETag: `"${version}"` };
}

/** The number in the path; what is none comes as text, and is refused as any merge that is none. */
function mergeOf(request: HttpRequest): unknown {
  const text = request.getParameter(0) ?? '';
  return /^\d{1,10}$/.test(text) ? Number(text) : text;
}
