/**
 * Assertions for our own mistakes. They state an invariant, and no input from outside can break one;
 * a broken one stops the process, because state that contradicts itself must not reach the disk.
 */

export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** @throws AssertionError when `condition` does not hold; `invariant` says what should have. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new AssertionError(`invariant broken: ${invariant}`);
}
