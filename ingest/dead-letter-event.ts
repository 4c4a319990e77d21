/**
 * A dead letter as the event that is sent again: by the API, by `tributary dead-letters`, by any tool.
 *
 * - Its message id is its own, or `dead-letter-` and its sequence, however it is repaired: sent twice it is
 *   stored once.
 * - It keeps its time. The appliance corrects times by how long ago `sentAt` was, which is now no measure
 *   of a clock: so it is left out, and an event that names no time gets the one it was received at.
 * - Everything else stays as it was written, so that no number loses a digit.
 */
import { type Member, membersOf } from './json-parts.ts';

export interface DeadLetter {
  readonly sequence: number;
  /** ISO 8601. */
  readonly receivedAt: string;
  readonly messageId: string | null;
  /** JSON of what was sent. */
  readonly payload: string;
}

/** The id under which a dead letter is stored once it is accepted. */
export function replayIdOf({ messageId, sequence }: DeadLetter): string {
  return messageId ?? `dead-letter-${sequence}`;
}

/** The same in SQL over `dead_letters`. */
export const REPLAY_ID = "coalesce(message_id, 'dead-letter-' || sequence)";

/**
 * A condition of SQL over `dead_letters`: of the letters of one id the newest. What is replayed and rejected once more
 * is a letter again, under the same id; who sent both would send twice as many with each replay.
 */
export const NEWEST_OF_ITS_ID = `sequence IN (
  SELECT max(sequence) FROM dead_letters GROUP BY ${REPLAY_ID})`;

/**
 * @param patch members that replace the event's own of the same name; `null` takes one away.
 * @returns JSON on one line; undefined for a payload that is no object.
 */
export function eventOfDeadLetter(
  letter: DeadLetter,
  patch: readonly Member[] = [],
): string | undefined {
  // Line feeds in JSON text stand between tokens only.
  const text = letter.payload.replace(/[\r\n]/g, ' ').trim();
  if (!text.startsWith('{')) return undefined;
  const members = new Map(membersOf(text).map((member) => [member.name, member]));
  members.delete('sentAt');
  set(members, 'messageId', replayIdOf(letter));
  if (!members.has('timestamp') && !members.has('originalTimestamp')) {
    set(members, 'timestamp', letter.receivedAt);
  }
  for (const member of patch) {
    if (member.value === 'null') members.delete(member.name);
    else members.set(member.name, member);
  }
  return `{${[...members.values()].map((member) => member.text).join(',')}}`;
}

function set(members: Map<string, Member>, name: string, text: string): void {
  const value = JSON.stringify(text);
  members.set(name, { name, value, text: `${JSON.stringify(name)}:${value}` });
}
