/**
 * Tables of FlatBuffers, as others wrote them: a table has slots, each with an offset to its value or none.
 *
 * - Every read is checked against the buffer, and none is remembered: a RangeError tells of a buffer that refers
 *   outside of itself.
 * - Tables may refer to one table again and again, so that a small buffer describes an endless tree: whoever walks
 *   one counts.
 */

const VTABLE_HEADER_BYTES = 4;
const SLOT_BYTES = 2;
const OFFSET_BYTES = 4;

/** Where the elements of a vector begin, and how many there are. */
export interface FlatVector {
  readonly at: number;
  readonly length: number;
}

export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #vtable: number;
  readonly #vtableBytes: number;

  private constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
    this.#vtable = at - view.getInt32(at, true);
    this.#vtableBytes = view.getUint16(this.#vtable, true);
  }

  /** The table that a buffer begins with. */
  static rootOf(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return new FlatTable(view, view.getUint32(0, true));
  }

  int8(slot: number): number {
    const at = this.#valueAt(slot);
    return at === 0 ? 0 : this.#view.getInt8(at);
  }

  int16(slot: number): number {
    const at = this.#valueAt(slot);
    return at === 0 ? 0 : this.#view.getInt16(at, true);
  }

  int32(slot: number): number {
    const at = this.#valueAt(slot);
    return at === 0 ? 0 : this.#view.getInt32(at, true);
  }

  /** Rounded beyond 2^53. */
  int64(slot: number): number {
    const at = this.#valueAt(slot);
    return at === 0 ? 0 : this.int64At(at);
  }

  int64At(at: number): number {
    return Number(this.#view.getBigInt64(at, true));
  }

  table(slot: number): FlatTable | undefined {
    const at = this.#valueAt(slot);
    return at === 0 ? undefined : new FlatTable(this.#view, this.#follow(at));
  }

  /** Of elements of `elementBytes`, all of which are within the buffer. */
  vector(slot: number, elementBytes: number): FlatVector {
    const at = this.#valueAt(slot);
    if (at === 0) return { at, length: 0 };
    const start = this.#follow(at);
    const length = this.#view.getUint32(start, true);
    const first = start + OFFSET_BYTES;
    if (first + length * elementBytes > this.#view.byteLength) {
      throw new RangeError('a vector is longer than its buffer');
    }
    return { at: first, length };
  }

  *tables(slot: number): IterableIterator<FlatTable> {
    const { at, length } = this.vector(slot, OFFSET_BYTES);
    for (let index = 0; index < length; index += 1) {
      yield new FlatTable(this.#view, this.#follow(at + index * OFFSET_BYTES));
    }
  }

  /** Invalid UTF-8 is replaced. */
  text(slot: number): string {
    const { at, length } = this.vector(slot, 1);
    const { buffer, byteOffset } = this.#view;
    return Buffer.from(buffer, byteOffset + at, length).toString('utf8');
  }

  #follow(at: number): number {
    return at + this.#view.getUint32(at, true);
  }

  /** 0: the table has no such value. */
  #valueAt(slot: number): number {
    const entry = VTABLE_HEADER_BYTES + slot * SLOT_BYTES;
    if (entry + SLOT_BYTES > this.#vtableBytes) return 0;
    const offset = this.#view.getUint16(this.#vtable + entry, true);
    return offset === 0 ? 0 : this.#at + offset;
  }
}
