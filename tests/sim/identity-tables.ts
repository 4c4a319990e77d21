/**
 * The lake's tables of identity, held against the fold of the log up to the sequence that they name: they are as
 * of a moment that was durable before, the same after every crash, and nobody is in them who was erased before it.
 */
import { createHash } from 'node:crypto';
import type { LakeTable } from '../../storage/lake/lake-table.ts';
import type { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import type { SimulatedAppliance } from './appliance.ts';
import { foldLog } from './log-model.ts';
import type { ShownRow } from './shown-rows.ts';
import { danglingIn, rowsOfFiles } from './tiers.ts';
import type { Witness } from './witness.ts';

/** What is wrong with them; nothing where they were never written. @throws the file system's error. */
export async function identityTableProblems(
  appliance: SimulatedAppliance,
  disk: MemoryFileSystem,
  witness: Witness,
): Promise<string[]> {
  const { tenant, store } = appliance;
  if (![...disk.files()].some(({ path }) => path.includes('/identifiers-'))) return [];
  const lake = { store, disk, tenantId: tenant.id, hotDirectory: tenant.hotDirectory };
  const found: string[] = [];
  const written: ShownRow[][] = [];
  const sequences: number[] = [];
  for (const table of await appliance.identityTables()) {
    found.push(...(await danglingIn(table, lake)));
    const sequence = Math.max(0, table.currentSnapshot?.sequence ?? 0);
    if (sequence > appliance.flushedSequence) found.push(`${table.name} is ahead of the events`);
    const rows = await rowsOfFiles(table, lake);
    found.push(...tableProblems(table, rows, sequence, witness));
    written.push(rows);
    sequences.push(sequence);
  }
  const [identifiers, profiles] = written.map((rows) => new Set(rows.map(idOf)));
  const isSame = [...identifiers!].sort().join() === [...profiles!].sort().join();
  if (sequences[0] === sequences[1] && !isSame) found.push('identifiers and profiles differ');
  return found;
}

function tableProblems(
  { name }: LakeTable,
  rows: readonly ShownRow[],
  sequence: number,
  witness: Witness,
): string[] {
  if (sequence === 0) return rows.length === 0 ? [] : [`${name} has rows of no moment`];
  const count = witness.countUntil(sequence);
  if (count === undefined) return [`${name} is of sequence ${sequence}, where nothing ends`];
  const digest = createHash('sha256').update(JSON.stringify(rows)).digest('hex');
  const found = witness.saw(`the table ${name}`, digest, count);
  const model = foldLog(witness.entries.slice(0, count), witness.initialWindowMicros);
  for (const row of rows) {
    if (row['sequence'] !== sequence) found.push(`${name} has a row of another sequence`);
    if (model.formerProfiles.has(idOf(row))) found.push(`${name} has somebody who was erased`);
  }
  if (name !== 'identifiers' || !model.knowsPeople) return found;
  const ids = new Map<object, string>();
  for (const [user, person] of model.users) {
    const row = rows.find(({ type, value }) => type === 'user_id' && value === user);
    const id = row === undefined ? 'nobody' : idOf(row);
    if (id !== (ids.get(person) ?? id) || id === 'nobody')
      found.push(`${user} is ${id} in ${name}`);
    ids.set(person, id);
  }
  if (new Set(ids.values()).size !== ids.size) found.push(`two people are one in ${name}`);
  return found;
}

function idOf(row: ShownRow): string {
  return String(row['profile_id']);
}
