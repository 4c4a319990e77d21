/** Commands of an operator, as property tests draw them. */
import fc from 'fast-check';
import type { IdentityCommand } from '../../identity/identity-command.ts';

/** Undoes one of the first merges, links or unlinks two of the identifiers; whether it can is seen when it is done. */
export function joiningCommands(
  identifier: fc.Arbitrary<{ readonly type: string; readonly value: string }>,
): fc.Arbitrary<IdentityCommand> {
  return fc.oneof(
    fc.integer({ min: 1, max: 8 }).map((merge) => ({ command: 'undo', merge }) as const),
    fc.record({
      command: fc.constant('link' as const),
      a: identifier,
      b: identifier,
      force: fc.boolean(),
    }),
    fc.record({ command: fc.constant('unlink' as const), a: identifier, b: identifier }),
  );
}
