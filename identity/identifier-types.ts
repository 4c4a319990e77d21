/** The kinds of identifiers. The numbers are shared with native/src/identifier_index.cc. */
export const IDENTIFIER_TYPE = Object.freeze({
  /** Strong: names one person for good. */
  user_id: 1,
  /** Weak: names a browser or device, which people may share. */
  anonymous_id: 2,
});
export type IdentifierType = keyof typeof IDENTIFIER_TYPE;

export function isIdentifierType(name: string): name is IdentifierType {
  return Object.hasOwn(IDENTIFIER_TYPE, name);
}
