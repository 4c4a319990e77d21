/** Finds the name that a mistyped one was meant to be. */

/** @returns the candidate fewest edits away, if that is at most a third of the name's length. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let fewest = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = editDistance(name, candidate);
    if (edits < fewest) {
      fewest = edits;
      nearest = candidate;
    }
  }
  return nearest;
}

/** What a message ends with that may name it: ` (did you mean …?)`, or nothing. @param before it, such as `--`. */
export function hintOf(nearest: string | undefined, before = ''): string {
  return nearest === undefined ? '' : ` (did you mean ${before}${nearest}?)`;
}

/** Levenshtein's distance, by rows: insertions, deletions and substitutions between two names. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, position) => position);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const substitution = row[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[right.length]!;
}
