/**
 * The relations that declared traits shape: `profiles` with a typed column for each, and `declared_traits`,
 * which tells how many values fit.
 *
 * A column is the newest value of its trait, read as its type when the statement runs: a declaration holds at
 * once and for the past.
 *
 * - The value comes from what is kept (identity/trait-store.ts), where all of it is.
 * - Else all identify calls are read, so a statement that cannot look at such a column gets NULLs in its
 *   place, unread. Both are the same values (tests/query/kept-traits.test.ts).
 */
import { traitKey } from '../engine/declared-traits.ts';
import type { Catalog, CatalogRelation } from './catalog.ts';
import { quoteName, quoteText } from './cold-source.ts';
import { isNode, type TreeNode } from './sql-tree.ts';
import {
  duckdbTypeOf,
  isKept,
  jsonOf,
  pathText,
  type ReadTrait,
  saidColumn,
  typedValue,
} from './trait-value.ts';

/** Of `profiles`, before the declared ones. */
export const PROFILE_COLUMNS = 'profile_id, user_id, first_seen, last_seen, event_count';

/** Parts of a statement that take columns without naming them. */
const ALL_COLUMNS = /"(STAR|NATURAL|SHOW_REF|POSITIONAL_COLUMN_REFERENCE)"|BY_NAME/i;

/** The catalogue as it is with these declarations. @param root of the statement that reads it. */
export function withDeclaredTraits(
  catalog: Catalog,
  traits: readonly ReadTrait[],
  root: TreeNode,
): Catalog {
  if (traits.length === 0) return catalog;
  const shaped = shapedRelations(traits, root);
  const relations = catalog.relations.map(
    (relation) => shaped.find(({ name }) => name === relation.name) ?? relation,
  );
  return { ...catalog, relations };
}

function shapedRelations(traits: readonly ReadTrait[], root: TreeNode): CatalogRelation[] {
  const computed = traits.filter((trait) => !isKept(trait));
  const isRead = computed.length > 0 && mayRead(computed, root);
  const columns = traits.map((trait) => {
    const value = isRead || isKept(trait) ? typedValue(trait) : `NULL::${duckdbTypeOf(trait.type)}`;
    return `${value} AS ${quoteName(trait.name)}`;
  });
  const profiles = { boundColumns: [], isOfStatement: true } as const;
  return [
    {
      ...profiles,
      name: 'profiles',
      select: `SELECT ${PROFILE_COLUMNS}, ${columns.join(', ')} FROM ${joined(isRead ? computed : [])}`,
      scans: isRead ? ['events'] : [],
    },
    {
      ...profiles,
      name: 'declared_traits',
      select: `WITH said AS MATERIALIZED (SELECT * FROM ${joined(computed)})
        ${traits.map(countsOf).join(' UNION ALL ')}`,
      scans: computed.length > 0 ? ['events'] : [],
    },
  ];
}

/** While nothing is declared. */
export const NO_DECLARED_TRAITS: CatalogRelation = {
  name: 'declared_traits',
  select: `SELECT '' AS name, '' AS path, '' AS type, 0::BIGINT AS value_count, 0::BIGINT AS failure_count
    WHERE false`,
  scans: [],
  boundColumns: [],
};

/** Whether a statement may look at one of these columns. In doubt it may. */
function mayRead(traits: readonly ReadTrait[], root: TreeNode): boolean {
  const text = JSON.stringify(root).toLowerCase();
  if (ALL_COLUMNS.test(text) || traits.some(({ name }) => text.includes(name))) return true;
  // A row as a whole, by the name of its table: `SELECT p FROM profiles p`.
  const aliases = new Set(['profiles', ...textsOf(root, 'alias')]);
  return textsOf(root, 'column_names').some((name) => aliases.has(name));
}

/** All texts at members of that name, in lower case. */
function textsOf(value: unknown, member: string, found: string[] = []): string[] {
  if (Array.isArray(value)) for (const element of value) textsOf(element, member, found);
  if (!isNode(value)) return found;
  for (const [name, child] of Object.entries(value)) {
    if (name !== member) textsOf(child, member, found);
    else for (const text of [child].flat()) found.push(String(text).toLowerCase());
  }
  return found;
}

/** All profiles, with a column of JSON for the newest value of each key that is not kept. */
function joined(computed: readonly ReadTrait[]): string {
  if (computed.length === 0) return 'hot_profiles()';
  return `hot_profiles() LEFT JOIN (${newestValues(computed)}) USING (profile)`;
}

/** One row for each profile that identify calls spoke of, with a column of JSON for each trait. */
function newestValues(traits: readonly ReadTrait[]): string {
  const keys = [...new Set(traits.map(traitKey))];
  const values = keys.map(
    (key) => `json_extract(traits, ${pathText([key])}) AS ${saidColumn(key)}`,
  );
  const newest = keys.map((key) => `arg_max(${saidColumn(key)}, moment) AS ${saidColumn(key)}`);
  return `SELECT profile, ${newest.join(', ')}
    FROM (SELECT profile_of(anchor) AS profile,
        epoch_us(timestamp)::HUGEINT * 18446744073709551616::HUGEINT + sequence::HUGEINT AS moment,
        ${values.join(', ')}
      FROM {events} WHERE type = 'identify')
    WHERE profile IS NOT NULL GROUP BY profile`;
}

function countsOf(trait: ReadTrait): string {
  const { name, path, type } = trait;
  const value = typedValue(trait);
  const isUnread = `${jsonOf(trait)}::VARCHAR <> 'null' AND (${value}) IS NULL`;
  return `SELECT ${quoteText(name)} AS name, ${quoteText(path)} AS path, ${quoteText(type)} AS type,
      count(${value}) AS value_count, count(*) FILTER (${isUnread}) AS failure_count
    FROM said`;
}
