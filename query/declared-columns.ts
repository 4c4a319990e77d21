/**
 * The relations that declared traits shape: `profiles` with a typed column for each, and `declared_traits`,
 * which tells how many values fit.
 *
 * A column is the newest value of its trait, read as its type when the statement runs: a declaration holds at
 * once and for the past. To find it all identify calls are read, so a statement that cannot look at such
 * a column gets NULLs in its place, unread.
 */
import type { DeclaredTrait, TraitType } from '../engine/declared-traits.ts';
import type { Catalog, CatalogRelation } from './catalog.ts';
import { quoteName, quoteText } from './cold-source.ts';
import { isNode, type TreeNode } from './sql-tree.ts';

/** Of `profiles`, before the declared ones. */
export const PROFILE_COLUMNS = 'profile_id, user_id, first_seen, last_seen, event_count';

const DUCKDB_TYPES: Readonly<Record<TraitType, string>> = {
  string: 'VARCHAR',
  long: 'BIGINT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMPTZ',
  date: 'DATE',
};
/** Parts of a statement that take columns without naming them. */
const ALL_COLUMNS = /"(STAR|NATURAL|SHOW_REF|POSITIONAL_COLUMN_REFERENCE)"|BY_NAME/i;

/** The catalogue as it is with these declarations. @param root of the statement that reads it. */
export function withDeclaredTraits(
  catalog: Catalog,
  traits: readonly DeclaredTrait[],
  root: TreeNode,
): Catalog {
  if (traits.length === 0) return catalog;
  const shaped = shapedRelations(traits, root);
  const relations = catalog.relations.map(
    (relation) => shaped.find(({ name }) => name === relation.name) ?? relation,
  );
  return { ...catalog, relations };
}

function shapedRelations(traits: readonly DeclaredTrait[], root: TreeNode): CatalogRelation[] {
  const isRead = mayRead(traits, root);
  const columns = traits.map((trait) =>
    isRead
      ? `${typed(trait)} AS ${quoteName(trait.name)}`
      : `NULL::${DUCKDB_TYPES[trait.type]} AS ${quoteName(trait.name)}`,
  );
  const join = isRead ? `LEFT JOIN (${newestValues(traits)}) AS said USING (profile)` : '';
  return [
    {
      name: 'profiles',
      select: `SELECT ${PROFILE_COLUMNS}, ${columns.join(', ')} FROM hot_profiles() ${join}`,
      scans: isRead ? ['events'] : [],
      boundColumns: [],
      isOfStatement: true,
    },
    {
      name: 'declared_traits',
      select: `WITH said AS MATERIALIZED (${newestValues(traits)}) ${traits.map(countsOf).join(' UNION ALL ')}`,
      scans: ['events'],
      boundColumns: [],
      isOfStatement: true,
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
function mayRead(traits: readonly DeclaredTrait[], root: TreeNode): boolean {
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

/** One row for each profile that identify calls spoke of, with a column of JSON for each trait. */
function newestValues(traits: readonly DeclaredTrait[]): string {
  const keys = [...new Set(traits.map(keyOf))];
  const values = keys.map((key) => `json_extract(traits, ${pathText([key])}) AS ${quoteName(key)}`);
  const newest = keys.map((key) => `arg_max(${quoteName(key)}, moment) AS ${quoteName(key)}`);
  return `SELECT profile, ${newest.join(', ')}
    FROM (SELECT profile_of(anchor) AS profile,
        epoch_us(timestamp)::HUGEINT * 18446744073709551616::HUGEINT + sequence::HUGEINT AS moment,
        ${values.join(', ')}
      FROM {events} WHERE type = 'identify')
    WHERE profile IS NOT NULL GROUP BY profile`;
}

function countsOf(trait: DeclaredTrait): string {
  const { name, path, type } = trait;
  const value = typed(trait);
  const isUnread = `${rawOf(trait)}::VARCHAR <> 'null' AND (${value}) IS NULL`;
  return `SELECT ${quoteText(name)} AS name, ${quoteText(path)} AS path, ${quoteText(type)} AS type,
      count(${value}) AS value_count, count(*) FILTER (${isUnread}) AS failure_count
    FROM said`;
}

function typed(trait: DeclaredTrait): string {
  const raw = rawOf(trait);
  const text = `(${raw} ->> '$')`;
  switch (trait.type) {
    case 'string':
      return `CASE WHEN json_type(${raw}) NOT IN ('OBJECT', 'ARRAY') THEN ${text} END`;
    case 'long':
      return `CASE WHEN regexp_full_match(${text}, '[+-]?[0-9]{1,19}') THEN TRY_CAST(${text} AS BIGINT) END`;
    case 'double':
      return `CASE WHEN isfinite(TRY_CAST(${text} AS DOUBLE)) THEN TRY_CAST(${text} AS DOUBLE) END`;
    case 'boolean':
      return `CASE lower(${text}) WHEN 'true' THEN true WHEN 'false' THEN false END`;
    case 'timestamp':
    case 'date': {
      const cast = `TRY_CAST(${text} AS ${DUCKDB_TYPES[trait.type]})`;
      return `CASE WHEN json_type(${raw}) = 'VARCHAR' AND isfinite(${cast}) THEN ${cast} END`;
    }
  }
}

/** The JSON of a trait, below the newest value of its first key. */
function rawOf(trait: DeclaredTrait): string {
  const [, ...rest] = trait.path.split('.');
  const newest = `said.${quoteName(keyOf(trait))}`;
  return rest.length === 0 ? newest : `json_extract(${newest}, ${pathText(rest)})`;
}

function keyOf({ path }: DeclaredTrait): string {
  return path.split('.')[0]!;
}

function pathText(keys: readonly string[]): string {
  return quoteText(`$${keys.map((key) => `."${key}"`).join('')}`);
}
