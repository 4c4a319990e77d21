/**
 * `/v1/erasures`: an admin erases a person, and follows what becomes of every copy. docs/erasure.md is the
 * contract.
 *
 *     POST /v1/erasures {"profile":"9f8e…"} or {"identifier":{"type":"email","value":"…"}}
 *     GET /v1/erasures        GET /v1/erasures/ID        GET /v1/suppressions
 *
 * - An erasure is answered once no query sees anything of the person; with `dry_run` nothing is done.
 * - A member that is not known is refused: `"dryrun":true` must not erase anybody.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { ErasureKeeper, ErasureSubject } from '../engine/erasure-keeper.ts';
import { type Erasure, stateOf } from '../engine/erasure-ledger.ts';
import { type AdminContext, AdminRoutes } from './admin-routes.ts';
import { requireReady } from './batch-intake.ts';
import { findMentions } from './erasure-mentions.ts';
import { parseJson } from './json-body.ts';
import type { ApplianceState } from './ports.ts';
import type { TemplatedApp } from './uws.ts';

export const ERASURES_PATH = '/v1/erasures';
export const SUPPRESSIONS_PATH = '/v1/suppressions';

export interface ErasureContext extends AdminContext {
  readonly clock: Clock;
}

interface ErasureRequest {
  readonly subject: ErasureSubject;
  readonly reason: string | null;
  readonly isDryRun: boolean;
}

export function serveErasures(app: TemplatedApp, context: ErasureContext): void {
  const routes = new AdminRoutes(app, context);
  routes.write('post', ERASURES_PATH, (_request, tenantId) => async (body) => ({
    text: JSON.stringify(await erase(context, tenantId, readRequest(body))),
  }));
  routes.get(ERASURES_PATH, async (_request, tenantId) => {
    const { all } = keeperOf(context.state(), tenantId);
    return { text: JSON.stringify({ erasures: all.map(describe) }) };
  });
  routes.get(SUPPRESSIONS_PATH, async (_request, tenantId) => ({
    text: keeperOf(context.state(), tenantId).list,
  }));
  routes.get(`${ERASURES_PATH}/:id`, async (request, tenantId) => {
    const erasure = keeperOf(context.state(), tenantId).get(request.getParameter(0) ?? '');
    return { text: JSON.stringify(describe(erasure)) };
  });
}

async function erase(
  { clock, state }: ErasureContext,
  tenantId: string,
  { subject, reason, isDryRun }: ErasureRequest,
): Promise<object> {
  const keeper = keeperOf(state(), tenantId);
  const { sql } = requireReady(state());
  const find = findMentions.bind(undefined, sql, tenantId);
  if (!isDryRun) {
    const erasure = await keeper.erase(subject, reason, find, clock.nowMicros());
    sql.forgetTexts(tenantId);
    return describe(erasure);
  }
  const person = keeper.personOf(subject);
  const { deadLetters, warnings } = await find(person);
  const { events, identifiers, profile } = person;
  const rows = { events, dead_letters: deadLetters.length, warnings: warnings.length };
  return { dry_run: true, profile, identifiers, removes: rows };
}

/** @throws TributaryError while the appliance is not ready, or where nothing is erased */
function keeperOf(state: ApplianceState, tenantId: string): ErasureKeeper {
  const { erasureKeeper } = requireReady(state);
  if (erasureKeeper !== undefined) return erasureKeeper(tenantId);
  throw invalid('this appliance keeps no people');
}

/** An erasure in the spelling of the API. */
function describe(erasure: Erasure): object {
  const { counts, goneAtMicros, id, profile, reason, requestedAtMicros, rewritten } = erasure;
  const { deadLetters: dead_letters, ...others } = counts;
  return {
    erasure: id,
    state: stateOf(erasure),
    profile,
    reason,
    sequence: erasure.sequence,
    requested_at: timeText(requestedAtMicros),
    removed: { ...others, dead_letters },
    rewritten: rewritten && {
      at: timeText(rewritten.atMicros),
      files: rewritten.files,
      rows: rewritten.rows,
    },
    gone_at: goneAtMicros === null ? null : timeText(goneAtMicros),
  };
}

function timeText(micros: number): string {
  return new Date(micros / 1000).toISOString();
}

/** @throws TRIBUTARY_INGEST_JSON_MALFORMED, TRIBUTARY_ERASURE_INVALID */
function readRequest(body: string): ErasureRequest {
  const { dry_run: isDryRun = false, reason = null, ...subject } = objectOf(parseJson(body));
  if (typeof isDryRun !== 'boolean') throw invalid('dry_run is neither true nor false');
  if (reason !== null && typeof reason !== 'string') throw invalid('reason is no text');
  const limit = LIMITS.erasureReasonCharactersMax;
  if (reason !== null && reason.length > limit) {
    throw invalid(`reason has ${reason.length} characters, limit ${limit} characters`);
  }
  return { subject: subjectOf(subject), reason, isDryRun };
}

function subjectOf({
  identifier,
  profile,
  ...rest
}: Readonly<Record<string, unknown>>): ErasureSubject {
  const [stray] = Object.keys(rest);
  if (stray !== undefined) {
    const members = 'profile or identifier, reason, dry_run';
    throw invalid(`it has no member ${JSON.stringify(stray.slice(0, 64))}; it has ${members}`);
  }
  if (typeof profile === 'string' && identifier === undefined) return { profile };
  if (identifier === undefined || profile !== undefined) {
    throw invalid('it names either a profile or an identifier');
  }
  const { type, value } = objectOf(identifier);
  if (typeof type !== 'string' || typeof value !== 'string') {
    throw invalid('identifier has a type and a value');
  }
  return { identifier: { type, value } };
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw invalid('it is no JSON object');
}

function invalid(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_ERASURE_INVALID', { reason });
}
