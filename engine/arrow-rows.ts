/**
 * The rows of a plain Arrow stream as batches of events, read by the appliance itself: a process of its own, and the
 * way there and back, cost as much as the rows.
 *
 * A stream may be made to break what reads it, so nothing is read here that is not sure: columns of the common types in
 * batches of moderate size. Their metadata is read in JavaScript, byte by byte (storage/arrow-metadata.ts), and their
 * values natively, once every length and offset was held against its buffer (native/src/column_rows.h). Whatever else
 * comes, damage too, is left to the process that reads files, with what it needs to go on from there; and so is the
 * verdict (file-rows.ts).
 */
import { BufferRing } from '../base/buffer-ring.ts';
import { ByteReader } from '../base/byte-reader.ts';
import { LIMITS } from '../base/limits.ts';
import type { NativeColumn, NativeColumnRows } from '../native/index.ts';
import { ArrowMessages, type RecordsMessage } from '../storage/arrow-messages.ts';
import type { ArrowField, ArrowRecords } from '../storage/arrow-metadata.ts';
import {
  batchOfText,
  FILE_BATCH_BYTES_MAX,
  type FileBatch,
  type FileImport,
  rowTooLarge,
  SLOT_BYTES,
} from './file-batches.ts';
import { keyOf, kindOf, newNativeRows, placeOf } from './native-rows.ts';

/** What is not plain of a stream: from its schema on, without the rows before, of which the next has this number. */
export interface ArrowRest {
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly firstRow: number;
}

/**
 * @param recordBytesMax what is held of the stream at most: one record batch.
 * @returns what is left for others; undefined when all was read.
 * @throws TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE, and what `pieces` throws.
 */
export async function* batchesOfPlainArrow(
  source: FileImport,
  pieces: AsyncIterable<Uint8Array>,
  recordBytesMax: number,
): AsyncGenerator<FileBatch, ArrowRest | undefined> {
  const reader = new ByteReader(pieces);
  const messages = new ArrowMessages(reader, recordBytesMax);
  const writer = new RowWriter(source);
  let schema: { readonly fields: readonly ArrowField[]; readonly bytes: Buffer } | undefined;
  let isHandedOver = false;
  const rest = (...head: Uint8Array[]): ArrowRest => {
    isHandedOver = true;
    return { pieces: reader.rest(head), firstRow: writer.nextRow };
  };
  try {
    for (;;) {
      const message = await messages.next();
      if (schema === undefined) {
        if (message.kind !== 'schema') return rest(...messages.lastRead);
        schema = { fields: message.schema.fields, bytes: Buffer.concat(messages.lastRead) };
      } else if (message.kind === 'records' && writer.attach(schema.fields, message)) {
        yield* writer.batches();
      } else if (message.kind === 'nothing') {
        return undefined;
      } else if (message.kind === 'end') {
        // Another stream may follow.
        if (!(await reader.hasMore())) return undefined;
        schema = undefined;
      } else {
        return rest(schema.bytes, ...messages.lastRead);
      }
    }
  } finally {
    if (!isHandedOver) await reader.close();
  }
}

/** Batches of events of one record batch after the other. */
class RowWriter {
  readonly #idPrefix: string;
  readonly #native: NativeColumnRows = newNativeRows();
  readonly #buffers = new BufferRing(LIMITS.importBatchesUnderWay, SLOT_BYTES);
  #rows = 0;
  nextRow: number;

  constructor({ importId, firstRow }: FileImport) {
    this.#idPrefix = `import-${importId}-`;
    this.nextRow = firstRow;
  }

  /** @returns whether the message has what its fields say. */
  attach(fields: readonly ArrowField[], { records, body }: RecordsMessage): boolean {
    const columns = columnsOf(fields, records, body);
    this.#rows = records.rows;
    return columns !== undefined && this.#native.attach(columns, records.rows) === '';
  }

  /** @throws TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE */
  *batches(): Generator<FileBatch> {
    for (let row = 0; row < this.#rows; ) {
      const { importBatchRowsMax } = LIMITS;
      const rows = this.#native.write(
        row,
        this.#idPrefix,
        this.nextRow,
        FILE_BATCH_BYTES_MAX,
        importBatchRowsMax,
      );
      const { textBytes } = this.#native;
      if (textBytes > FILE_BATCH_BYTES_MAX) throw rowTooLarge(this.nextRow);
      const copyText = (target: Uint8Array): void => this.#native.copyText(target);
      const bytes = batchOfText(this.#buffers.spare, textBytes, copyText);
      this.#buffers.keep();
      row += rows;
      this.nextRow += rows;
      yield { bytes, rows };
    }
  }
}

/** The columns of a record batch; undefined when it has less than its fields say. */
function columnsOf(
  fields: readonly ArrowField[],
  { rows, nodes, buffers }: ArrowRecords,
  body: Uint8Array,
): NativeColumn[] | undefined {
  const nodesLeft = nodes.values();
  const buffersLeft = buffers.values();
  let isWhole = true;
  const nextBuffer = (): Uint8Array => {
    const range = buffersLeft.next().value;
    isWhole &&= range !== undefined;
    const { offset, length } = range ?? { offset: 0, length: 0 };
    return body.subarray(offset, offset + length);
  };
  const columnOf = (field: ArrowField): Omit<NativeColumn, 'key'> => {
    const node = nodesLeft.next().value;
    isWhole &&= node?.length === rows;
    const { valueBytes, isSigned, ticksPerSecond } = field;
    const column = { kind: kindOf(field.kind), valueBytes, isSigned, ticksPerSecond };
    if (field.kind === 'null') return column;
    const bitmap = nextBuffer();
    const hasNulls = node !== undefined && node.nullCount > 0 && bitmap.length > 0;
    const validity = hasNulls ? bitmap : undefined;
    if (field.kind === 'struct') {
      const children = field.children.map((child) => ({
        ...columnOf(child),
        key: keyOf(child.name),
      }));
      return { ...column, validity, children };
    }
    if (field.kind !== 'text') return { ...column, validity, values: nextBuffer() };
    return { ...column, validity, offsets: nextBuffer(), values: nextBuffer() };
  };
  const columns = fields.map((field) => ({ ...columnOf(field), ...placeOf(field.name) }));
  return isWhole ? columns : undefined;
}
