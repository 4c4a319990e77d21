/** All that a tenant shows, read from its hot data column by column and compared with the model. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Tenant } from '../../engine/tenant.ts';
import type { HotTable } from '../../storage/hot-table.ts';
import { type Cell, type Row, readRows } from '../support/read-rows.ts';
import type { ModelNote, ModelState } from './log-model.ts';

const JSON_COLUMNS = new Set(['properties', 'traits', 'context', 'integrations', 'extra']);

export interface TenantState {
  readonly tenantId: string;
  readonly events: readonly Row[];
  readonly edges: readonly Row[];
  readonly deadLetters: readonly Row[];
  readonly warnings: readonly Row[];
  /** The public profile id of every identifier of the model, by `type value`. */
  readonly profileIds: ReadonlyMap<string, string | null>;
}

/** Reads what a query would see. */
export function observe(tenant: Tenant, model: ModelState): TenantState {
  const { hot, identity } = tenant;
  const profileIds = new Map<string, string | null>();
  for (const user of model.users.keys()) {
    profileIds.set(`user ${user}`, identity.resolveProfileId('user_id', user));
  }
  for (const device of model.devices.keys()) {
    profileIds.set(`device ${device}`, identity.resolveProfileId('anonymous_id', device));
  }
  const profileOf = ({ anchor }: Row): string | null =>
    anchor === null || anchor === 0
      ? null
      : identity.profiles.profileId(identity.profiles.profileOf[Number(anchor)]!);
  const nodeValue = (node: Cell): string => identity.valueOf(Number(node));
  return {
    tenantId: tenant.id,
    events: publishedRows(hot.events).map((row) => withCells(row, { profile_id: profileOf(row) })),
    edges: publishedRows(hot.edges).map((row) =>
      withCells(row, { a_value: nodeValue(row['a_node']!), b_value: nodeValue(row['b_node']!) }),
    ),
    deadLetters: publishedRows(hot.deadLetters),
    warnings: publishedRows(hot.warnings),
    profileIds,
  };
}

function withCells(row: Row, cells: Readonly<Record<string, Cell>>): Row {
  return { ...row, ...cells } as Row;
}

function publishedRows(table: HotTable): Row[] {
  const rows = table.segments.flatMap((segment) => readRows(segment));
  return rows.slice(0, table.publishedRows);
}

/** Two tenants with the same fingerprint show the same, ordinal for ordinal and id for id. */
export function fingerprint(state: TenantState): string {
  const text = JSON.stringify({ ...state, profileIds: [...state.profileIds] }, (_key, value) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** In what the tenant differs from the model; empty when in nothing. */
export function differences(state: TenantState, model: ModelState): string[] {
  const found: string[] = [];
  if (state.events.length !== model.events.length) {
    found.push(`${state.events.length} events are shown, the log has ${model.events.length}`);
  }
  model.events.forEach((expected, index) => {
    const row = state.events[index];
    if (row === undefined) return;
    for (const [column, value] of Object.entries(expected)) {
      if (column === 'anchor') continue;
      const cell = row[column];
      const shown =
        JSON_COLUMNS.has(column) && typeof cell === 'string' ? JSON.parse(cell) : (cell ?? null);
      if (!isDeepStrictEqual(shown, value ?? null)) {
        const sequence = String(expected['sequence']);
        found.push(`event ${sequence}: ${column} is ${String(cell)}, not ${String(value)}`);
      }
    }
  });
  found.push(...identityDifferences(state, model));
  found.push(...noteDifferences('dead_letters', state.deadLetters, model.deadLetters));
  found.push(...noteDifferences('warnings', state.warnings, model.warnings));
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
function identityDifferences(state: TenantState, model: ModelState): string[] {
  const found: string[] = [];
  const idOf = new Map<object, string>();
  const check = (what: string, person: object, id: string | null | undefined): void => {
    const known = idOf.get(person);
    if (id === null || id === undefined) found.push(`${what} is nobody`);
    else if (known === undefined) idOf.set(person, id);
    else if (known !== id) found.push(`${what} belongs to another profile`);
  };
  model.people.forEach((person, index) => {
    const row = state.events[index];
    if (person !== undefined)
      check(`event ${row?.['sequence']}`, person, row?.['profile_id'] as string);
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
  rows: readonly Row[],
  expected: readonly ModelNote[],
): string[] {
  const notes = rows.map((row) => ({
    sequence: Number(row['sequence']),
    messageId: row['message_id'],
    code: row['code'],
    path: row['path'],
  }));
  if (isDeepStrictEqual(notes, expected.map(inOrder))) return [];
  return [`${table} has ${notes.length} rows, which are not the ${expected.length} of the fold`];
}

function inOrder({ sequence, messageId, code, path }: ModelNote): ModelNote {
  return { sequence, messageId, code, path };
}
