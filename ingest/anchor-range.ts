/**
 * The least and the greatest of some anchors, as parameters of a statement. Compacted files are sorted by anchor,
 * so that a statement which names the range reads few row groups of them.
 */
export function anchorRange(
  anchors: readonly number[],
): readonly [least: string, greatest: string] {
  let [least, greatest] = [anchors[0] ?? 0, anchors[0] ?? 0];
  for (const anchor of anchors) {
    if (anchor < least) least = anchor;
    if (anchor > greatest) greatest = anchor;
  }
  return [String(least), String(greatest)];
}
