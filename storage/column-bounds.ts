/**
 * Counts and bounds of the columns of one data file, gathered record batch by record batch.
 *
 * Personal columns get counts only (storage/lake/schema.ts says why). Bounds of text come from the
 * entries of dictionaries and of numbers from all rows, null ones left out; bounds may be wider than
 * the values, never narrower.
 */
import type { ColumnMetrics, LakeValue } from './lake/data-file.ts';

const HIGH_WORD = 2 ** 32;

export class ColumnBounds {
  readonly #bigint: boolean;
  #valueCount = 0;
  #nullCount = 0;
  #least: number | string | undefined;
  #greatest: number | string | undefined;

  /** @param bigint whether the lake's values of the column are 64-bit. */
  constructor(bigint: boolean) {
    this.#bigint = bigint;
  }

  count(values: number, nulls: number): void {
    this.#valueCount += values;
    this.#nullCount += nulls;
  }

  /** Widens the bounds to `value`. Texts are compared as their UTF-8 bytes. */
  add(value: number | string): void {
    if (this.#least === undefined || isBelow(value, this.#least)) this.#least = value;
    if (this.#greatest === undefined || isBelow(this.#greatest, value)) this.#greatest = value;
  }

  /** Widens the bounds to the valid values of 64-bit integers below 2^53, as words, low then high. */
  addWords(words: Int32Array, validity: Uint8Array | undefined): void {
    const rows = words.length / 2;
    let least = Number.POSITIVE_INFINITY;
    let greatest = Number.NEGATIVE_INFINITY;
    for (let row = 0; row < rows; row += 1) {
      if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
      const value = words[row * 2 + 1]! * HIGH_WORD + (words[row * 2]! >>> 0);
      if (value < least) least = value;
      if (value > greatest) greatest = value;
    }
    this.#addRange(least, greatest);
  }

  /** Widens the bounds to the valid values of 32-bit integers. */
  addIntegers(values: Int32Array, validity: Uint8Array | undefined): void {
    let least = Number.POSITIVE_INFINITY;
    let greatest = Number.NEGATIVE_INFINITY;
    for (let row = 0; row < values.length; row += 1) {
      if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
      if (values[row]! < least) least = values[row]!;
      if (values[row]! > greatest) greatest = values[row]!;
    }
    this.#addRange(least, greatest);
  }

  /** @param bytes what the column takes in the file. */
  metrics(bytes: number): ColumnMetrics {
    const counts = { bytes, valueCount: this.#valueCount, nullCount: this.#nullCount };
    if (this.#least === undefined || this.#greatest === undefined) return counts;
    return { ...counts, lower: this.#value(this.#least), upper: this.#value(this.#greatest) };
  }

  #addRange(least: number, greatest: number): void {
    if (least > greatest) return;
    this.add(least);
    this.add(greatest);
  }

  #value(value: number | string): LakeValue {
    return this.#bigint ? BigInt(value) : value;
  }
}

function isBelow(a: number | string, b: number | string): boolean {
  if (typeof a === 'number' || typeof b === 'number') return a < b;
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8')) < 0;
}
