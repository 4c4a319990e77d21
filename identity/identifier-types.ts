/** The kinds of identifiers. The numbers are shared with native/src/identifier_index.cc. */
export const IDENTIFIER_TYPE = Object.freeze({
  /** Strong: names one person for good. */
  user_id: 1,
  /** Weak: names a browser or device, which people may share. */
  anonymous_id: 2,
});
export type IdentifierType = keyof typeof IDENTIFIER_TYPE;

const NAMES: readonly (IdentifierType | undefined)[] = [undefined, 'user_id', 'anonymous_id'];

/** `user_id` for 1, …; undefined for a number that is no type. */
export function identifierTypeName(type: number): IdentifierType | undefined {
  return NAMES[type];
}

export function isIdentifierType(name: string): name is IdentifierType {
  return Object.hasOwn(IDENTIFIER_TYPE, name);
}
