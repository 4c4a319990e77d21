/** Drawing from a seeded source of randomness in [0, 1). */

export type Random = () => number;

export function below(count: number, random: Random): number {
  return Math.floor(random() * count);
}

export function pick<Item>(items: readonly Item[], random: Random): Item {
  return items[below(items.length, random)]!;
}
