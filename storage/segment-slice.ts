/**
 * Rows [fromRow, toRow) of one hot segment file, read by somebody who has not mapped it: the flush, in
 * a thread of its own.
 *
 * Each buffer is read with one call, which is its only copy. Reading goes by the plan of the segment,
 * as its writer laid it out; only the counters of dictionaries come from the file. The rows are
 * published, so nothing that is read here changes but the mask, whose later bits mean nothing yet.
 *
 * Failure: a file that is gone or cut off is an error of its reader; the segment is left as it is.
 */
import { assert } from '../base/assert.ts';
import { type FileHandle, type FileSystem, readFully } from './file-system.ts';
import type { Texts } from './row-runs.ts';
import {
  COLUMN_DESCRIPTOR,
  type ColumnPlan,
  descriptorOffset,
  type SegmentPlan,
} from './segment-format.ts';

export interface SliceReference {
  readonly path: string;
  readonly plan: SegmentPlan;
  /** Rows of the segment, not of the table. */
  readonly fromRow: number;
  readonly toRow: number;
}

export class SegmentSlice {
  readonly plan: SegmentPlan;
  readonly rowCount: number;
  readonly #file: FileHandle;
  readonly #fromRow: number;

  static async open(fileSystem: FileSystem, slice: SliceReference): Promise<SegmentSlice> {
    return new SegmentSlice(await fileSystem.open(slice.path, 'read'), slice);
  }

  private constructor(file: FileHandle, { plan, fromRow, toRow }: SliceReference) {
    assert(fromRow < toRow && toRow <= plan.rowCapacity, 'a slice has rows of its segment');
    this.#file = file;
    this.plan = plan;
    this.#fromRow = fromRow;
    this.rowCount = toRow - fromRow;
  }

  /** One bit a row: 1 = hidden. */
  hiddenBits(): Promise<Uint8Array> {
    return this.#bits(this.plan.maskOffset);
  }

  /** One bit a row: 1 = the row has a value. */
  validityBits(column: ColumnPlan): Promise<Uint8Array> {
    return this.#bits(column.validityOffset);
  }

  /** The values as bytes, `column.valueBytes` a row. Not for columns of text. */
  values(column: ColumnPlan): Promise<Uint8Array> {
    const at = column.valuesOffset + this.#fromRow * column.valueBytes;
    return this.#read(at, this.rowCount * column.valueBytes);
  }

  /** The strings of a column of type utf8 or json. */
  async texts(column: ColumnPlan): Promise<Texts> {
    const at = column.valuesOffset + this.#fromRow * column.valueBytes;
    const words = await this.#read(at, (this.rowCount + 1) * column.valueBytes);
    const offsets = new Int32Array(words.buffer, words.byteOffset, this.rowCount + 1);
    return this.#textsAt(column, offsets);
  }

  /** The entries of a dictionary column, in the order of their codes. */
  async dictionary(column: ColumnPlan): Promise<Texts> {
    const at = descriptorOffset(this.plan.columns.indexOf(column));
    const word = await this.#read(at + COLUMN_DESCRIPTOR.dictionaryCount, 4);
    const count = new Uint32Array(word.buffer, word.byteOffset, 1)[0]!;
    const words = await this.#read(column.dictionaryOffset, (count + 1) * 4);
    return this.#textsAt(column, new Int32Array(words.buffer, words.byteOffset, count + 1));
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #textsAt(column: ColumnPlan, offsets: Int32Array): Promise<Texts> {
    const start = offsets[0]!;
    const bytes = await this.#read(column.heapOffset + start, offsets.at(-1)! - start);
    return { offsets, bytes };
  }

  /** The bits of the slice's rows, moved so that the first row is bit 0. */
  async #bits(offset: number): Promise<Uint8Array> {
    const firstByte = this.#fromRow >> 3;
    const shift = this.#fromRow & 7;
    const bytes = await this.#read(offset + firstByte, (shift + this.rowCount + 7) >> 3);
    if (shift === 0) return bytes;
    const moved = new Uint8Array((this.rowCount + 7) >> 3);
    for (let at = 0; at < moved.length; at += 1) {
      moved[at] = (bytes[at]! >> shift) | ((bytes[at + 1] ?? 0) << (8 - shift));
    }
    return moved;
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const read = await readFully(this.#file, bytes, 0, length, offset);
    assert(read === length, 'a segment file has its full length from the start');
    return bytes;
  }
}
