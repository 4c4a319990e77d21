/**
 * The name under which a client goes on with a stream, and how far its answers have reached it.
 *
 * - `acknowledged`: every batch up to this id has its answer; -1 when there is none yet. Ids of a named
 *   stream ascend from 0, and none is used twice for different batches.
 */
import { LIMITS } from '../base/limits.ts';

export interface StreamResume {
  readonly stream: string;
  readonly acknowledged: number;
}

const NAME = new RegExp(`^[A-Za-z0-9_-]{1,${LIMITS.streamNameCharactersMax}}$`);
const ID_MAX = 0xffff_ffff;

/** What a client reads whose resume is not one. */
export const RESUME_RULE =
  `stream is 1 to ${LIMITS.streamNameCharactersMax} of A-Z a-z 0-9 _ -, ` +
  `acknowledged an id or -1`;

/** @returns undefined when the values break the rule. */
export function parseResume(stream: unknown, acknowledged: unknown = -1): StreamResume | undefined {
  if (typeof stream !== 'string' || !NAME.test(stream)) return undefined;
  if (typeof acknowledged !== 'number' || !Number.isInteger(acknowledged)) return undefined;
  if (acknowledged < -1 || acknowledged > ID_MAX) return undefined;
  return { stream, acknowledged };
}
