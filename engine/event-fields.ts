/**
 * Which column of a table is which field of an event: one named like a field of the tracking API, in its spelling or
 * with underscores.
 */

export const OBJECT_FIELDS: ReadonlySet<string> = new Set([
  'properties',
  'traits',
  'context',
  'integrations',
]);
const FIELDS: ReadonlySet<string> = new Set([
  ...OBJECT_FIELDS,
  'type',
  'event',
  'name',
  'messageId',
  'userId',
  'anonymousId',
  'groupId',
  'previousId',
  'timestamp',
  'originalTimestamp',
  'sentAt',
]);

/** `user_id` and `userId` are the field userId; undefined for a name that is no field. */
export function fieldOf(name: string): string | undefined {
  const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return FIELDS.has(camel) ? camel : undefined;
}
