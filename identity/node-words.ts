/**
 * One word for each node: the anchor that takes its events now, and what is unusual about it in the top
 * bits. A word above zero is the whole answer, so the common event costs one comparison per identifier;
 * zero or below means that somebody has to look.
 *
 * - 0: the node was not seen as an identifier yet; nobody asked whether its value is blocked.
 * - ATTENTION alone: known, but the rules changed since; its value is judged again when it comes next.
 * - BLOCKED: the value names nobody. SHARED: it has too many neighbours, takes events and joins nobody.
 * - CLOSED: a weak identifier whose owner logged out (the anchor was the last interval), or one without
 *   an anchor that was refused before: its next event opens a new interval.
 */
export const NODE = Object.freeze({
  attention: 1 << 31,
  blocked: 1 << 30,
  shared: 1 << 29,
  closed: 1 << 28,
  /** Anchors stay below 2^28: `identityAnchorsMax`. */
  anchorMask: (1 << 28) - 1,
});

/** The anchor in a word, 0 for none. */
export function anchorIn(word: number): number {
  return word & NODE.anchorMask;
}

export function isBlocked(word: number): boolean {
  return (word & NODE.blocked) !== 0;
}

export function isShared(word: number): boolean {
  return (word & NODE.shared) !== 0;
}

/** Whether the anchor in the word takes events now. */
export function isOpen(word: number): boolean {
  return anchorIn(word) !== 0 && (word & NODE.closed) === 0;
}
