/** All that a tenant shows, hot and cold, read column by column and compared with the model. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { AssertionError } from '../../base/assert.ts';
import type { Erasure } from '../../engine/erasure-ledger.ts';
import type { Tenant } from '../../engine/tenant.ts';
import { RECORD_WORDS } from '../../identity/profile-store.ts';
import type { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import type { ReferenceRow } from '../support/reference-decoder.ts';
import type { SimulatedAppliance } from './appliance.ts';
import type { ModelNote, ModelState } from './log-model.ts';
import type { ShownCell, ShownRow } from './shown-rows.ts';
import { coldSequences, danglingIn, tieredRows } from './tiers.ts';

const DAY_MICROS = 86_400_000_000;
const JSON_COLUMNS = new Set(['properties', 'traits', 'context', 'integrations', 'extra']);

export interface TenantState {
  readonly tenantId: string;
  readonly events: readonly ShownRow[];
  readonly edges: readonly ShownRow[];
  readonly merges: readonly ShownRow[];
  readonly deadLetters: readonly ShownRow[];
  readonly warnings: readonly ShownRow[];
  /** The public profile id of every identifier of the model, by `type value`. */
  readonly profileIds: ReadonlyMap<string, string | null>;
  /** What the lake's metadata names and the disk does not have. */
  readonly dangling: readonly string[];
  readonly erasures: readonly Erasure[];
  /** Erased events that live files still have, although the log says that none does. */
  readonly leftInFiles: readonly number[];
}

/** Reads what a query would see. @param disk the one the appliance works on. */
export async function observe(
  appliance: SimulatedAppliance,
  disk: MemoryFileSystem,
  model: ModelState,
): Promise<TenantState> {
  const { tenant, store } = appliance;
  const { identity } = tenant;
  const lake = { store, disk, tenantId: tenant.id, hotDirectory: tenant.hotDirectory };
  const rowsOf = (table: string): ShownRow[] => tieredRows(appliance.table(table), lake);
  const dangling: string[] = [];
  for (const table of appliance.tables) dangling.push(...(await danglingIn(table.lake, lake)));
  const profileIds = new Map<string, string | null>();
  for (const user of model.users.keys()) {
    profileIds.set(`user ${user}`, identity.resolveProfileId('user_id', user));
  }
  for (const device of model.devices.keys()) {
    profileIds.set(`device ${device}`, identity.resolveProfileId('anonymous_id', device));
  }
  const cold = await coldSequences(appliance.table('events'), lake);
  const isRewritten = tenant.erasures.unwritten.length === 0;
  const profileOf = ({ anchor }: ShownRow): string | null =>
    anchor === null || anchor === 0
      ? null
      : identity.profiles.idOf(identity.profiles.profileOf[Number(anchor)]!);
  const nodeValue = (node: ShownCell | undefined): string | null => textOf(tenant, Number(node));
  return {
    tenantId: tenant.id,
    events: rowsOf('events').map((row) => ({ ...row, profile_id: profileOf(row) })),
    edges: rowsOf('edges').map((row) => ({
      ...row,
      a_value: nodeValue(row['a_node']),
      b_value: nodeValue(row['b_node']),
    })),
    merges: rowsOf('merges'),
    deadLetters: rowsOf('dead_letters'),
    warnings: rowsOf('warnings'),
    profileIds,
    dangling,
    erasures: tenant.erasures.all,
    leftInFiles: isRewritten ? [...model.erased].filter((sequence) => cold.has(sequence)) : [],
  };
}

/** The value of a node; null for one that was erased, which nothing may name any more. */
function textOf({ identity }: Tenant, node: number): string | null {
  try {
    return identity.valueOf(node);
  } catch (error) {
    if (error instanceof AssertionError) return null;
    throw error;
  }
}

/**
 * Whose everything is, ordinal for ordinal, as of the tenant's last applied sequence. Cheap enough to be taken
 * after every acknowledgement.
 */
export function identityPrint({ identity }: Tenant): string {
  const { profileOf, records, anchorCount } = identity.profiles;
  return createHash('sha256')
    .update(profileOf.slice(0, anchorCount + 1))
    .update(records.slice(0, RECORD_WORDS * (anchorCount + 1)))
    .digest('hex')
    .slice(0, 16);
}

/**
 * Two tenants with the same fingerprint show the same, ordinal for ordinal and id for id.
 * @param fromDay events received earlier are left out.
 */
export function fingerprint(state: TenantState, fromDay: number): string {
  const events = state.events.filter((row) => dayOf(row) >= fromDay);
  const text = JSON.stringify({ ...state, events, profileIds: [...state.profileIds] });
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/**
 * In what the tenant differs from the model; empty when in nothing.
 * @param fromDay events received earlier may be gone.
 */
export function differences(state: TenantState, model: ModelState, fromDay = 0): string[] {
  const found: string[] = [...state.dangling, ...erasureDifferences(state, model)];
  const expected = expectedEvents(state, model, fromDay);
  if (state.events.length !== expected.length) {
    found.push(`${state.events.length} events are shown, the log has ${expected.length}`);
  }
  expected.forEach(({ row: expected }, index) => {
    const row = state.events[index];
    if (row === undefined) return;
    for (const [column, value] of Object.entries(expected)) {
      if (column === 'anchor' || column === 'hidden') continue;
      const cell = row[column];
      const shown = JSON_COLUMNS.has(column) && typeof cell === 'string' ? JSON.parse(cell) : cell;
      const due = typeof value === 'bigint' ? Number(value) : (value ?? null);
      if (!isDeepStrictEqual(shown, due)) {
        const sequence = String(expected['sequence']);
        found.push(`event ${sequence}: ${column} is ${String(cell)}, not ${String(value)}`);
      }
    }
  });
  found.push(...noteDifferences('dead_letters', state.deadLetters, model.deadLetters));
  // Only what an operator blocked is warned of: producers send nothing that the rules block by themselves.
  const warnings = state.warnings.filter(({ code }) => code !== 'identifier_blocked');
  found.push(...noteDifferences('warnings', warnings, model.warnings));
  if (model.knowsPeople) found.push(...peopleDifferences(state, model, expected));
  return found;
}

/** Who was erased has no rows and no name. That their events are not shown is seen where rows are counted. */
function erasureDifferences(state: TenantState, model: ModelState): string[] {
  const found: string[] = [];
  const { formerProfiles } = model;
  if (state.erasures.length !== formerProfiles.size) {
    found.push(`${state.erasures.length} people are erased, of ${formerProfiles.size}`);
  }
  if (state.leftInFiles.length > 0) {
    found.push(`files have the erased events ${state.leftInFiles.join(', ')}`);
  }
  const isFormer = (id: unknown): boolean => typeof id === 'string' && formerProfiles.has(id);
  for (const [identifier, id] of state.profileIds) {
    if (isFormer(id)) found.push(`${identifier} has the profile of somebody who was erased`);
  }
  for (const { edge, a_value, b_value } of state.edges) {
    if (a_value === null || b_value === null) found.push(`edge ${edge} is of somebody erased`);
  }
  for (const { sequence, profile_id } of state.events) {
    if (isFormer(profile_id)) found.push(`event ${sequence} is of somebody who was erased`);
  }
  return found;
}

interface ExpectedEvent {
  readonly row: ReferenceRow;
  /** Whom it belongs to; undefined for nobody. */
  readonly person: object | undefined;
}

/** The events of the model that must be shown; of those that may be gone, the ones that are. */
function expectedEvents(state: TenantState, model: ModelState, fromDay: number): ExpectedEvent[] {
  const shown = new Set(state.events.map(({ sequence }) => sequence));
  return model.events
    .map((row, index) => ({ row, person: model.people[index] }))
    .filter(
      ({ row }) => !row.hidden && (dayOf(row) >= fromDay || shown.has(Number(row['sequence']))),
    );
}

function dayOf(row: Readonly<Record<string, unknown>>): number {
  return Math.floor(Number(row['received_at']) / DAY_MICROS);
}

/** Events, identifiers and edges are those of the people of the model. */
function peopleDifferences(
  state: TenantState,
  model: ModelState,
  events: readonly ExpectedEvent[],
): string[] {
  const found = identityDifferences(state, model, events);
  if (state.warnings.length > model.warnings.length) found.push('an identifier was blocked');
  const edges = state.edges.map((row) => ({
    ...{ a: row['a_value'], b: row['b_value'] },
    ...{ kind: row['kind'], state: row['state'], reason: row['reason'] },
  }));
  if (!isDeepStrictEqual(edges, model.edges)) {
    found.push(`the ${edges.length} edges are not the ${model.edges.length} of the fold`);
  }
  return found;
}

/** Events and identifiers of one person have one profile id, those of two have two. */
function identityDifferences(
  state: TenantState,
  model: ModelState,
  events: readonly ExpectedEvent[],
): string[] {
  const found: string[] = [];
  const idOf = new Map<object, string>();
  const check = (what: string, person: object, id: string | null | undefined): void => {
    const known = idOf.get(person);
    if (id === null || id === undefined) found.push(`${what} is nobody`);
    else if (known === undefined) idOf.set(person, id);
    else if (known !== id) found.push(`${what} belongs to another profile`);
  };
  events.forEach(({ person }, index) => {
    const row = state.events[index];
    if (person === undefined || row === undefined) return;
    check(`event ${row['sequence']}`, person, row['profile_id'] as string | null);
  });
  for (const [user, person] of model.users) {
    check(`user ${user}`, person, state.profileIds.get(`user ${user}`));
  }
  for (const [device, person] of model.devices) {
    check(`device ${device}`, person, state.profileIds.get(`device ${device}`));
  }
  if (new Set(idOf.values()).size !== idOf.size) found.push('two people have one profile id');
  return found;
}

function noteDifferences(
  table: string,
  rows: readonly ShownRow[],
  expected: readonly ModelNote[],
): string[] {
  const notes = rows.map((row) => ({
    sequence: Number(row['sequence']),
    messageId: row['message_id'] as string | null,
    code: String(row['code']),
    path: String(row['path']),
  }));
  if (isDeepStrictEqual(notes.sort(byPlace), expected.map(inOrder).sort(byPlace))) return [];
  return [`${table} has ${notes.length} rows, which are not the ${expected.length} of the fold`];
}

function inOrder({ sequence, messageId, code, path }: ModelNote): ModelNote {
  return { sequence, messageId, code, path };
}

/** Cold rows come by sequence; what is noted about one event has no order of its own. */
function byPlace(a: ModelNote, b: ModelNote): number {
  return a.sequence - b.sequence || (a.code < b.code ? -1 : 1);
}
