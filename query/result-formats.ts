/**
 * Results as bytes, a chunk of rows at a time: JSON as one document, NDJSON as one object a line.
 *
 *   json    {"columns":[{"name":…,"type":…}],"rows":[[…],…],"statistics":{…}}
 *   ndjson  {"name":value,…}\n …
 *
 * A statement that fails after bytes were sent stays recognisable. JSON then ends with
 * `],"error":{"code":…,"message":…}}` in place of the statistics, NDJSON with a line that has the one
 * key `error` with such an object. (A column of that name holds no object with a TRIBUTARY code.)
 *
 * Columns are encoded one by one, then joined to rows: the loop over values of one type stays small.
 * Text goes out in pieces of about PIECE_CHARACTERS, so a chunk of wide rows makes no huge string.
 */
import { type DataChunk, type Result, TypeId, type Vector } from './duckdb.ts';
import { encoderOf, type ValueEncoder } from './value-json.ts';

export const RESULT_FORMATS = ['json', 'ndjson'] as const;
export type ResultFormat = (typeof RESULT_FORMATS)[number];

export const CONTENT_TYPES: Readonly<Record<ResultFormat, string>> = {
  json: 'application/json; charset=utf-8',
  ndjson: 'application/x-ndjson; charset=utf-8',
};

/** What a query cost. */
export interface QueryStatistics {
  readonly elapsedMs: number;
  readonly rows: number;
  /** Bytes of the result, without the frame around the rows. */
  readonly bytes: number;
  readonly rowsScanned: number;
  readonly segmentsScanned: number;
  readonly segmentsSkipped: number;
  /** Cold files that could hold a wanted row, and their size; of the others likewise. */
  readonly filesRead: number;
  readonly filesSkipped: number;
  readonly rowGroupsRead: number;
  readonly rowGroupsSkipped: number;
  readonly bytesRead: number;
  readonly bytesSkipped: number;
  /** Of files that were read, without the columns and row groups that DuckDB left out; null: not known. */
  readonly bytesFetched: number | null;
}

export interface ResultColumn {
  readonly name: string;
  readonly type: string;
}

/** Turns the chunks of one result into text; `emit` gets it in order. */
export interface ResultWriter {
  begin(emit: (text: string) => void): void;
  rows(chunk: DataChunk, emit: (text: string) => void): void;
  end(statistics: QueryStatistics, emit: (text: string) => void): void;
  /** `error` is what TributaryError gives as JSON. */
  fail(error: object, emit: (text: string) => void): void;
}

const PIECE_CHARACTERS = 64 * 1024;

export function columnsOf(result: Result): ResultColumn[] {
  return result.columnNames.map((name, index) => {
    const type = result.columnTypes[index]!;
    const isJson = type.typeId === TypeId.VARCHAR && type.alias === 'JSON';
    return { name, type: isJson ? 'JSON' : String(type) };
  });
}

export function writerOf(format: ResultFormat, result: Result): ResultWriter {
  const encoders = result.columnTypes.map(encoderOf);
  return format === 'json' ? jsonWriter(result, encoders) : ndjsonWriter(result, encoders);
}

function jsonWriter(result: Result, encoders: readonly ValueEncoder[]): ResultWriter {
  const prefixes = encoders.map((_, index) => (index === 0 ? '[' : ','));
  let separator = '\n';
  return {
    begin: (emit) => emit(`{"columns":${JSON.stringify(columnsOf(result))},"rows":[`),
    rows(chunk, emit) {
      writeRows(chunk, encoders, prefixes, ']', separator, ',\n', emit);
      separator = ',\n';
    },
    end: (statistics, emit) => emit(`\n],"statistics":${JSON.stringify(statistics)}}\n`),
    fail: (error, emit) => emit(`\n],"error":${JSON.stringify(error)}}\n`),
  };
}

function ndjsonWriter(result: Result, encoders: readonly ValueEncoder[]): ResultWriter {
  const prefixes = result.distinctColumnNames.map(
    (name, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`,
  );
  return {
    begin() {},
    rows: (chunk, emit) => writeRows(chunk, encoders, prefixes, '}\n', '', '', emit),
    end() {},
    fail: (error, emit) => emit(`${JSON.stringify({ error })}\n`),
  };
}

/** Writes each row as prefix, value, prefix, value, …, suffix, with separators between the rows. */
function writeRows(
  chunk: DataChunk,
  encoders: readonly ValueEncoder[],
  prefixes: readonly string[],
  suffix: string,
  firstSeparator: string,
  separator: string,
  emit: (text: string) => void,
): void {
  const rowCount = chunk.rowCount;
  const columns = encoders.map((encode, index) =>
    encodeColumn(chunk.getColumnVector(index), rowCount, encode),
  );
  let text = '';
  for (let row = 0; row < rowCount; row += 1) {
    text += row === 0 ? firstSeparator : separator;
    for (let column = 0; column < columns.length; column += 1) {
      text += prefixes[column]! + columns[column]![row]!;
    }
    text += suffix;
    if (text.length >= PIECE_CHARACTERS) {
      emit(text);
      text = '';
    }
  }
  if (text !== '') emit(text);
}

function encodeColumn(vector: Vector, rowCount: number, encode: ValueEncoder): string[] {
  const texts = new Array<string>(rowCount);
  for (let row = 0; row < rowCount; row += 1) {
    const value = vector.getItem(row);
    texts[row] = value === null ? 'null' : encode(value);
  }
  return texts;
}
