/**
 * The lake tables that are folded from identity: who there is, and what each is known by. They are written
 * whole, at a sequence that every row names, so that another engine can hold them against `events` up to
 * that sequence.
 *
 * - `anchor` is what rows of `events` carry; `identifiers` has one row for each that belongs to somebody.
 * - `profile` is the ordinal that rows of `merges` name; `profile_id` the public id.
 * - Ids are as personal as the values they stand for: an erased person must not live on in bounds.
 */
import type { LakeTableDefinition } from './schema.ts';

export const IDENTIFIERS_TABLE: LakeTableDefinition = {
  name: 'identifiers',
  columns: [
    { name: 'sequence', type: 'long', personal: false },
    { name: 'anchor', type: 'int', personal: false },
    { name: 'profile', type: 'int', personal: false },
    { name: 'profile_id', type: 'string', personal: true },
    { name: 'type', type: 'string', personal: false },
    { name: 'value', type: 'string', personal: true },
    { name: 'is_current', type: 'boolean', personal: false },
    { name: 'opened_at', type: 'timestamptz', personal: false },
    { name: 'first_seen', type: 'timestamptz', personal: false },
    { name: 'last_seen', type: 'timestamptz', personal: false },
    { name: 'event_count', type: 'long', personal: false },
  ],
  sortBy: ['anchor'],
};

export const PROFILES_TABLE: LakeTableDefinition = {
  name: 'profiles',
  columns: [
    { name: 'sequence', type: 'long', personal: false },
    { name: 'profile', type: 'int', personal: false },
    { name: 'profile_id', type: 'string', personal: true },
    { name: 'user_id', type: 'string', personal: true },
    { name: 'anchor_count', type: 'int', personal: false },
    { name: 'first_seen', type: 'timestamptz', personal: false },
    { name: 'last_seen', type: 'timestamptz', personal: false },
    { name: 'event_count', type: 'long', personal: false },
  ],
  sortBy: ['profile'],
};

/** In the order in which they are committed: who reads profiles finds their identifiers. */
export const IDENTITY_TABLES = [IDENTIFIERS_TABLE, PROFILES_TABLE] as const;
