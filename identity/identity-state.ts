/**
 * Identity as parts of a checkpoint: its arrays, its lists, and the rules as a command of the log has them.
 * The hash table of the identifier index is made anew.
 *
 * Failure: what was restored in part is of no use, and its owner is closed.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import type { NativeIdentifierIndex } from '../native/index.ts';
import type { SharedArray } from '../storage/shared-array.ts';
import {
  partOfArray,
  partOfBytes,
  restoreArray,
  restoreBytes,
  type StatePart,
  type StateSource,
} from '../storage/state-part.ts';
import type { EdgeGraph } from './edge-graph.ts';
import type { IdentityOperator } from './identity-operator.ts';
import type { IdentityRules } from './identity-rules.ts';
import { parseRules, rulesToJson } from './identity-rules-format.ts';
import type { ProfileStore } from './profile-store.ts';
import type { Separations } from './separations.ts';

/** The two arrays of the native index, by the numbers it has for them. */
export const INDEX_PARTS = ['node_values', 'identifier_values'] as const;
const RULES_PART = 'identity_rules';

/** Who has the state. */
export interface IdentityStateOwners {
  readonly index: NativeIdentifierIndex;
  readonly nodeAnchors: SharedArray<'u32'>;
  readonly profiles: ProfileStore;
  readonly edges: EdgeGraph;
  readonly separations: Separations;
  readonly operator: IdentityOperator;
}

/** What a checkpoint keeps. All of it was published, and nothing is being staged. */
export function stateOfIdentity(
  { index, nodeAnchors, profiles, edges, separations, operator }: IdentityStateOwners,
  rules: IdentityRules,
): StatePart[] {
  const ofIndex = INDEX_PARTS.map((name, part): StatePart => {
    const read = (offset: number, target: Uint8Array): void => {
      assert(index.readPart(part, offset, target), 'a part is read within its length');
    };
    return { name, bytes: index.partBytes(part), read };
  });
  const text = JSON.stringify({ version: rules.version, rules: rulesToJson(rules) });
  return [
    ...ofIndex,
    partOfArray(nodeAnchors, index.count + 1),
    ...profiles.state(),
    ...edges.state(profiles.anchorCount),
    separations.state(),
    operator.state(),
    partOfBytes(RULES_PART, Buffer.from(text)),
  ];
}

/**
 * Fills owners, which are fresh, from what {@link stateOfIdentity} gave. @returns the rules.
 * @throws TRIBUTARY_IDENTITY_NODES_FULL, TRIBUTARY_STORAGE_REGION_FULL, what `source` throws, and
 *   TRIBUTARY_IDENTITY_RULES_INVALID for rules that a newer version wrote.
 */
export async function restoreIdentity(
  owners: IdentityStateOwners,
  source: StateSource,
): Promise<IdentityRules> {
  const { index } = owners;
  await restoreValues(index, source);
  // Beside the rest, in a thread of its own; nothing below asks the index.
  const ending = index.endRestore();
  const text = await restoreArrays(owners, source).finally(() => ending);
  assert(await ending, 'the values of a checkpoint lie one behind another');
  const { rules, version } = JSON.parse(text) as { rules: unknown; version: number };
  return parseRules(rules, version);
}

/** @returns the rules, as they are kept. */
async function restoreArrays(
  { nodeAnchors, profiles, edges, separations, operator }: IdentityStateOwners,
  source: StateSource,
): Promise<string> {
  await restoreArray(nodeAnchors, source);
  await profiles.restore(source);
  await edges.restore(source);
  await separations.restore(source);
  await operator.restore(source);
  return Buffer.from(await restoreBytes(RULES_PART, source)).toString('utf8');
}

async function restoreValues(index: NativeIdentifierIndex, source: StateSource): Promise<void> {
  const [blocks, values] = INDEX_PARTS;
  const reason = index.beginRestore(source.bytesOf(blocks), source.bytesOf(values));
  if (reason !== '') {
    throw new TributaryError('TRIBUTARY_IDENTITY_NODES_FULL', { count: 0, reason });
  }
  for (const [part, name] of INDEX_PARTS.entries()) {
    await source.copy(name, (offset, piece) => {
      assert(index.writePart(part, offset, piece), 'a part is as long as was prepared');
    });
  }
}
