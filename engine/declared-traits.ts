/**
 * Traits of people that an operator declared: each becomes a typed column of `profiles`. They are a record of
 * the log (tenant-configuration.ts), versioned as the rules of identity are.
 *
 * A declaration says how what was said is read, and changes nothing of it: it holds for the past as well.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';

/** As the lake calls its types. */
export const TRAIT_TYPES = ['string', 'long', 'double', 'boolean', 'timestamp', 'date'] as const;
export type TraitType = (typeof TRAIT_TYPES)[number];

export interface DeclaredTrait {
  /** The column. */
  readonly name: string;
  /** Keys from the trait down, with dots between. */
  readonly path: string;
  readonly type: TraitType;
}

export interface TraitDeclarations {
  /** Counts up with every change; 1 is what holds until the log says otherwise. */
  readonly version: number;
  readonly traits: readonly DeclaredTrait[];
}

export const NO_DECLARATIONS: TraitDeclarations = Object.freeze({ version: 1, traits: [] });

const FIELDS = ['name', 'path', 'type'];
const NAME = /^[a-z][a-z0-9_]{0,62}$/;
const PATH = /^[\w$-]{1,64}(\.[\w$-]{1,64}){0,7}$/;
/** Columns that `profiles` has anyway, and ordinals that stay inside. */
const TAKEN = ['profile_id', 'user_id', 'first_seen', 'last_seen', 'event_count', 'profile'];

/** @param value a list of declarations, as JSON. @throws TRIBUTARY_IDENTITY_TRAITS_INVALID */
export function parseDeclaredTraits(value: unknown): readonly DeclaredTrait[] {
  if (!Array.isArray(value)) return refuse('traits is a list');
  if (value.length > LIMITS.declaredTraitsMax) {
    refuse(`traits has ${value.length} entries, limit ${LIMITS.declaredTraitsMax}`);
  }
  const traits = value.map(parseTrait);
  const names = new Set<string>();
  for (const { name } of traits) {
    if (names.has(name)) refuse(`${name} is there twice`);
    names.add(name);
  }
  return traits;
}

/** The first key of a path: calls replace its value as a whole. */
export function traitKey({ path }: DeclaredTrait): string {
  return path.split('.')[0]!;
}

/** The keys of which values are kept. */
export function traitKeys(traits: readonly DeclaredTrait[]): string[] {
  return [...new Set(traits.map(traitKey))];
}

function parseTrait(value: unknown): DeclaredTrait {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse('a trait is a JSON object');
  }
  const stray = Object.keys(value).find((key) => !FIELDS.includes(key));
  if (stray !== undefined) refuse(`a trait has no ${stray}; it has ${FIELDS.join(', ')}`);
  const { name, path = name, type } = value as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string' || !NAME.test(name)) {
    return refuse('name is lower case letters, digits and _, a letter first, 63 at most');
  }
  if (TAKEN.includes(name)) refuse(`${name} is a column of profiles already`);
  if (typeof path !== 'string' || !PATH.test(path)) {
    return refuse(`${name}: path is one to eight keys with dots between, as address.city`);
  }
  if (!TRAIT_TYPES.includes(type as TraitType)) {
    return refuse(`${name}: type is ${TRAIT_TYPES.join(', ')}`);
  }
  return { name, path, type: type as TraitType };
}

function refuse(reason: string): never {
  throw new TributaryError('TRIBUTARY_IDENTITY_TRAITS_INVALID', { reason });
}
