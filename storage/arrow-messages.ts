/** The messages of an Arrow stream, one after the other, as they come in pieces. */
import type { ByteReader } from '../base/byte-reader.ts';
import { KIB } from '../base/units.ts';
import { type ArrowRecords, type ArrowSchema, readArrowMetadata } from './arrow-metadata.ts';

export interface RecordsMessage {
  readonly kind: 'records';
  readonly records: ArrowRecords;
  /** Valid until the next message. */
  readonly body: Uint8Array;
}

export type ArrowMessage =
  | { readonly kind: 'schema'; readonly schema: ArrowSchema }
  | RecordsMessage
  /** The mark at the end of a stream. */
  | { readonly kind: 'end' }
  /** Where the source ends between two messages. */
  | { readonly kind: 'nothing' }
  /** What is not plain, too large or cut off. */
  | { readonly kind: 'other' };

/** Before each message: a mark, and how long its metadata is. */
const PREFIX_BYTES = 8;
const CONTINUATION_MARK = 0xffffffff;
const METADATA_BYTES_MAX = 256 * KIB;

export class ArrowMessages {
  readonly #source: ByteReader;
  readonly #bodyBytesMax: number;
  #head = Buffer.allocUnsafe(KIB);
  #headBytes = 0;
  #body = Buffer.allocUnsafe(0);
  #bodyBytes = 0;

  /** @param bodyBytesMax of one record batch, which is held whole. */
  constructor(source: ByteReader, bodyBytesMax: number) {
    this.#source = source;
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** The bytes that the last message was read from; valid until the next one. */
  get lastRead(): [head: Buffer, body: Buffer] {
    return [this.#head.subarray(0, this.#headBytes), this.#body.subarray(0, this.#bodyBytes)];
  }

  /** @throws what the source throws. */
  async next(): Promise<ArrowMessage> {
    this.#headBytes = 0;
    this.#bodyBytes = 0;
    if (!(await this.#readHead(PREFIX_BYTES))) {
      return { kind: this.#headBytes === 0 ? 'nothing' : 'other' };
    }
    const metadataBytes = this.#head.readInt32LE(PREFIX_BYTES / 2);
    if (this.#head.readUInt32LE(0) !== CONTINUATION_MARK) return { kind: 'other' };
    if (metadataBytes === 0) return { kind: 'end' };
    const isPlain = metadataBytes > 0 && metadataBytes <= METADATA_BYTES_MAX;
    if (!isPlain || !(await this.#readHead(metadataBytes))) return { kind: 'other' };
    const metadata = readArrowMetadata(this.#head.subarray(PREFIX_BYTES, this.#headBytes));
    if (metadata === undefined || !(await this.#readBody(metadata.bodyBytes)))
      return { kind: 'other' };
    if (metadata.header === 'schema') return { kind: 'schema', schema: metadata };
    return { kind: 'records', records: metadata, body: this.#body.subarray(0, this.#bodyBytes) };
  }

  /** Reads so much more of what is before a body. @returns whether there was. */
  async #readHead(bytes: number): Promise<boolean> {
    const end = this.#headBytes + bytes;
    if (end > this.#head.length) {
      const larger = Buffer.allocUnsafe(end);
      this.#head.copy(larger);
      this.#head = larger;
    }
    const read = await this.#source.fill(this.#head.subarray(this.#headBytes, end));
    this.#headBytes += read.length;
    return this.#headBytes === end;
  }

  async #readBody(bytes: number): Promise<boolean> {
    if (bytes > this.#bodyBytesMax) return false;
    if (bytes > this.#body.length) {
      // The next ones may be a little longer.
      const capacity = Math.min(bytes + (bytes >> 2), this.#bodyBytesMax);
      this.#body = Buffer.allocUnsafeSlow(capacity);
    }
    this.#bodyBytes = (await this.#source.fill(this.#body.subarray(0, bytes))).length;
    return this.#bodyBytes === bytes;
  }
}
