/**
 * The typed door to the native addon. One shared object is both a Node addon and a DuckDB extension;
 * this module loads it by the path DuckDB will `LOAD`, so that both see the same globals.
 *
 * Ownership: every ArrayBuffer over a mapping stays valid until its owner is closed; touching it
 * afterwards, or beyond the backed bytes, ends the process with SIGSEGV or SIGBUS.
 */
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TributaryError } from '../base/errors.ts';

/** A file mapped read-write and shared; its address never moves while it grows. */
export interface NativeRegion {
  /**
   * The whole reserved range; only what was backed may be touched. Made when it is first asked for, at the
   * price of a garbage collection, since V8 takes it for memory of its own at first. For a part that is
   * used with every batch there is `window`.
   */
  readonly buffer: ArrayBuffer;
  /** What was backed in this life of the file. */
  readonly backedBytes: number;
  /** What was backed in any: the memory that the file takes. */
  readonly memoryBytes: number;
  /** Takes the buffers away that were made so far: a late access to one finds it empty. */
  detach(): void;
  /**
   * Begins another life of the file, as `path`: as if it was made anew, but for its pages, which are there
   * already. Nobody can map it until `admitReaders`.
   * @returns '', or why it stays what it was: a reader maps it, or it cannot be renamed.
   */
  reuse(path: string, backedBytes: number): string;
  admitReaders(): void;
  /**
   * Makes the range [offset, offset + bytes) safe to touch, and zero what was not backed before.
   * @returns '' or why it could not.
   */
  back(offset: number, bytes: number): string;
  /** Asks the background thread to allocate what `back` will be asked for soon. Only a hint. */
  backAhead(offset: number, bytes: number): void;
  /** [offset, offset + bytes) as a buffer of its own. Made once for a part, and kept by the caller. */
  window(offset: number, bytes: number): ArrayBuffer;
  /** One aligned 32-bit word, atomically. @throws RangeError when the region is closed. */
  load32(offset: number): number;
  store32(offset: number, value: number): void;
  /** Copies `bytes` to `offset`. */
  write(offset: number, bytes: Uint8Array): void;
  /** Unmaps; the file stays. Idempotent. */
  close(): void;
}

/** Hard maxima of the decoder; the names are those of base/limits.ts. */
export interface DecoderLimits {
  readonly eventBytesMax: number;
  readonly messageIdBytesMax: number;
  readonly identifierBytesMax: number;
  readonly eventNameBytesMax: number;
  readonly batchEventsMax: number;
  readonly jsonDepthMax: number;
  readonly batchInheritedBytesMax: number;
  readonly msgpackTextBytesMax: number;
}

/** Decodes tracking payloads into the tail of the active `events` segment (decoder.cc). */
export interface NativeDecoder {
  /** Rows go to this segment from now on. @returns '' or why not. */
  attach(segment: NativeRegion): string;
  /**
   * Decodes `length` bytes; `payload` has 32 bytes or more behind them. `codec` is one of WAL_CODEC.
   * `result` receives [events, notes].
   * `typeOfPath` is a position in EVENT_TYPES, or its length for none. `sender` is the address of 16 bytes
   * that the payload came from.
   * @returns 0, or a decode failure (engine/decode-codes.ts); after a failure no row was staged.
   */
  decode(
    codec: number,
    payload: Uint8Array,
    length: number,
    sequence: number,
    receivedAtMicros: number,
    source: string,
    typeOfPath: number,
    sender: Uint8Array | null,
    result: Uint32Array,
  ): number;
  /**
   * What was noted about events of the last payload: (index, code, field, offset, length) each, a copy.
   * Offset and length say where in `texts` a rejected event stands as JSON.
   */
  readonly notes: Uint32Array;
  readonly texts: Buffer;
  /** What the parser or the file system said of the last failure. */
  readonly failure: string;
}

/** Positions are those of ColumnKind in column_rows.h. */
export const COLUMN_KINDS = [
  'null',
  'text',
  'integer',
  'float',
  'boolean',
  'timestamp',
  'struct',
] as const;
export type ColumnKind = (typeof COLUMN_KINDS)[number];
/** Positions are those of ColumnRole in column_rows.h. */
export const COLUMN_ROLES = ['field', 'object', 'properties', 'property'] as const;

/** A column in Arrow's layout. What is left out is 0, or not there. */
export interface NativeColumn {
  /** Positions in {@link COLUMN_KINDS} and {@link COLUMN_ROLES}; children have no role. */
  readonly kind: number;
  readonly role?: number;
  /** `"name":` */
  readonly key: string;
  /** Of a number, or of an offset of a text. */
  readonly valueBytes?: number;
  readonly isSigned?: boolean;
  readonly ticksPerSecond?: number;
  /** Of row 0 in `validity`, and in `values` of booleans. */
  readonly firstBit?: number;
  /** Not there: no row is null. */
  readonly validity?: Uint8Array | undefined;
  readonly values?: NodeJS.TypedArray;
  readonly offsets?: NodeJS.TypedArray;
  /** Of a dictionary, whose `entries` texts are `values` and `offsets`. */
  readonly indices?: NodeJS.TypedArray;
  readonly indexBytes?: number;
  readonly entries?: number;
  readonly children?: readonly NativeColumn[];
}

/** Writes rows of columns as the events of a batch in JSON (column_rows.h). */
export interface NativeColumnRows {
  /** Checks the columns, and holds them until the next call. @returns '' or why they cannot be read. */
  attach(columns: readonly NativeColumn[], rows: number): string;
  /**
   * Writes rows from `first` on, joined by commas, each with the message id `idPrefix` and its number,
   * `number` for the first: `rowsMax` of `bytesMax` together, and always one. @returns how many.
   */
  write(first: number, idPrefix: string, number: number, bytesMax: number, rowsMax: number): number;
  /** Bytes of what `write` wrote. */
  readonly textBytes: number;
  /** Copies what `write` wrote to `target`, as much of it as there is room for. */
  copyText(target: Uint8Array): void;
}

/** Hard maxima of the msgpack parser; the names are those of base/limits.ts. */
export interface MsgpackLimits {
  readonly jsonDepthMax: number;
  readonly msgpackTextBytesMax: number;
}

export interface JoinedLines {
  readonly rows: number;
  /** Those read, blank ones counted too. */
  readonly lines: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Whether the line behind what was read does not begin and end like an object. */
  readonly isMalformed: boolean;
}

/** Writes msgpackr's records as maps (msgpack_records.cc). */
export interface NativeMsgpackRecords {
  /**
   * Writes the values that follow one another in `bytes` to `out`, records as the maps that they stand for, and
   * to `ends` the positions behind them: in its first half those in `bytes`, in its second those in `out`. It stops
   * where a half or `out` is full, or a value is cut off. What a value defines holds for those behind it, of later
   * calls too.
   * @returns four times their number; 1 more when what follows can be no value, 2 when it does not fit `out`
   *   by itself.
   */
  expand(bytes: Uint8Array, out: Uint8Array, ends: Uint32Array): number;
}

/** Turns msgpack into the JSON text the decoder keeps of it (msgpack_parser.cc). */
export interface NativeMsgpackTranscoder {
  /**
   * Reads `length` bytes; `payload` has 32 or more behind them.
   * @returns the text with 32 bytes behind it, the caller's own, or a decode failure
   *   (engine/decode-codes.ts).
   */
  transcode(payload: Uint8Array, length: number): Uint8Array | number;
  /** Why the last payload is not msgpack. */
  readonly failure: string;
}

/** Where the native index looks for values of one type; `externalType` of a list, '' for all of it. */
export interface NativeIdentifierPath {
  readonly type: number;
  readonly column: string;
  readonly keys: readonly string[];
  readonly isList: boolean;
  readonly externalType: string;
}

/** From (identifier type, value) to dense node ordinals, outside the JS heap (identifier_index.h). */
export interface NativeIdentifierIndex {
  /** What is looked for from now on, and how values are normalised, by type number. */
  configure(
    steps: Uint8Array,
    paths: readonly NativeIdentifierPath[],
    logoutEvents: readonly string[],
    valueBytesMax: number,
  ): void;
  /** Makes room, so that `resolveRows` cannot fail. @returns '' or why there is none. */
  prepare(nodes: number, bytes: number): string;
  /** Lets the stager bring so many more identifiers (identifier_room.h), or fewer. */
  grant(identifiers: number): void;
  /**
   * Writes [user, anonymous, previous, list] per row to `out`, and behind them the lists:
   * [count | flags, then type and node of each]. Hidden rows give zeros. `out` has 37 words a row.
   */
  resolveRows(segment: NativeRegion, row: number, count: number, out: Uint32Array): boolean;
  /** The node of a value, normalised as its type is; 0 when it was never seen. */
  lookup(type: number, value: string): number;
  /**
   * Looks up all identifiers of a request, in one call. Writes the request's id to `nodes[0]` and the
   * nodes behind it. `types` has the name of type n at n - 1.
   * @returns how many; -1 when the request is not in its plain form (identifier_request.h) or asks for
   * more than there is room for.
   */
  findAll(request: Uint8Array, types: readonly string[], nodes: Uint32Array): number;
  /** Undefined for a node that was not given, or was erased. */
  valueOf(node: number): string | undefined;
  /** The number of a node's type; 0 for a node that was not given, or was erased. */
  typeOf(node: number): number;
  /** Forgets the value of a node: the next event that has it gets another one. */
  erase(node: number): void;
  /** Lets readers see the nodes up to that one. */
  publish(nodes: number): void;
  /** For a checkpoint, at rest: part 0 says where the value of each node is, part 1 holds the values. */
  partBytes(part: number): number;
  /** Copies a range of a part. @returns false when it lies outside. */
  readPart(part: number, offset: number, target: Uint8Array): boolean;
  /** Makes an empty index as large as the parts that are written next. @returns '' or why not. */
  beginRestore(blockBytes: number, valueBytes: number): string;
  writePart(part: number, offset: number, source: Uint8Array): boolean;
  /**
   * Makes the hash table, in another thread; nothing else is asked of the index until it settles.
   * @returns false, and an empty index, when the parts are not those of an index.
   */
  endRestore(): Promise<boolean>;
  close(): void;
  readonly count: number;
  /** Bytes that node_values (0), identifier_values (1) or the hash table (2) take. */
  memoryOf(part: number): number;
}

/** Keeps the newest values of declared traits by anchor and key (trait_store.h). */
export interface NativeTraitStore {
  /** Keeps these keys and no others; new ones are complete, or are said to be later. */
  keep(keys: readonly string[], isComplete: boolean): void;
  complete(key: string): void;
  /** The number by which SQL reads a complete key; 0 for another, and once nothing is kept. */
  slotOf(key: string): number;
  /** Takes rows of `events` whose anchors are known. @returns false when these are none. */
  fold(segment: NativeRegion, row: number, count: number, sequence: number): boolean;
  /** Keeps a value, as JSON, unless there is a newer one. */
  put(anchor: number, key: string, micros: number, sequence: number, value: string): void;
  forget(anchors: Uint32Array): void;
  /** Length of the stream of what is kept by now, which `readState` copies from. */
  readonly stateBytes: number;
  readState(offset: number, target: Uint8Array): boolean;
  /** Takes the next piece of such a stream; nothing was kept before. @returns whether it is one. */
  writeState(piece: Uint8Array): boolean;
  /** Whether the stream was whole. */
  endRestore(): boolean;
  /** Why nothing is kept any more; '' while all is well. */
  readonly failure: string;
  readonly memoryBytes: number;
  close(): void;
}

/** What a {@link NativeStager} begins with. */
export interface NativeStagerOptions {
  readonly limits: DecoderLimits;
  /** How long message ids are remembered to find duplicates. */
  readonly windowMicros: number;
  /** 8 bytes that stay the same for the life of the tenant. */
  readonly windowSecret: Uint8Array;
  readonly identifiers: NativeIdentifierIndex;
  /** Of the first event. */
  readonly nextSequence: number;
  /** Whether what follows decoding has a thread of its own. */
  readonly hasTwoThreads: boolean;
  /** The active segment of `events`. */
  readonly segment: NativeRegion;
  /** Where all payloads lie. Reachable as long as the stager is. */
  readonly payloads: Uint8Array;
}

/**
 * Decodes payloads, hides duplicates and finds the nodes of identifiers beside the main thread, in the order of
 * submission (stager.h has the rules of ownership). Results come in that order, as words whose meaning
 * is in engine/event-stager.ts.
 */
export interface NativeStager {
  /**
   * Stages `length` bytes at `offset` of the payloads, where they stay, with 32 readable bytes behind them,
   * until their result is taken. `typeOfPath` is a position in EVENT_TYPES, or its length.
   * `sequence` is that of the first event; 0: the one after what was submitted before.
   * `hasSender`: the 16 bytes behind them are the address they came from; what is readable is behind those.
   * `joinedRows`: as of IncomingBatch, 0 where they were not joined.
   */
  submit(
    codec: number,
    offset: number,
    length: number,
    receivedAtMicros: number,
    source: string,
    typeOfPath: number,
    sequence: number,
    hasSender: boolean,
    joinedRows: number,
  ): void;
  /** Gives a record without rows its place and one sequence; a negative window changes nothing. */
  place(windowMicros: number, sequence: number): void;
  /** Answers a full segment with the next one; null refuses the batch that found no room. */
  attach(segment: NativeRegion | null): void;
  /** Answers a batch for which identity had no room: what can be granted was. */
  resume(): void;
  /** Writes the oldest result to into[at…]. @returns its words; 0: none; below 0: that many do not fit. */
  take(into: Uint32Array, at: number): number;
  /** Of the result taken last: the events its notes are about, as JSON. A copy. */
  readonly texts: Buffer;
  /** What the parser or the file system said of the result taken last. */
  readonly failure: string;
  /** Of the duplicate window. */
  readonly memoryBytes: number;
  /** For a checkpoint, while nothing is under way: part 0 of the window is its head, 1 to 4 its tables. */
  windowBytes(part: number): number;
  /**
   * Copies a range of a part; ranges of a table in order, from 0 on.
   * @returns false when it lies outside or elsewhere, or something is under way.
   */
  readWindow(part: number, offset: number, target: Uint8Array): boolean;
  /** Writing the head makes empty tables of its sizes. @returns false also for a head that none can have. */
  writeWindow(part: number, offset: number, source: Uint8Array): boolean;
  /** Ends the thread; what was submitted and not taken is dropped. Idempotent. */
  close(): void;
}

/** Published rows [fromRow, toRow) of a segment file; rows of the segment, not of the table. */
export interface SliceReference {
  readonly path: string;
  readonly fromRow: number;
  readonly toRow: number;
}

/** A snapshot of a table: rows [floorRow, publishedRows) are hot. */
export interface HeldTable {
  /** 0: there are no cold files. */
  readonly coldVersion: number;
  readonly floorRow: number;
  readonly publishedRows: number;
}

export interface NativeAddon {
  /**
   * Creates `path`, in place of an old file, reserves `reservedBytes` of address space, backs the start.
   * @param hugePages for what is read at random: used where 2 MiB or more are backed ahead (shared_pages.h).
   */
  createRegion(
    path: string,
    reservedBytes: number,
    backedBytes: number,
    hugePages?: boolean,
  ): NativeRegion | string;
  /**
   * A file of `bytes` in memory, without a name; its length is fixed, and it is not passed on to processes
   * that are not given it. @returns its descriptor, the caller's to close, or why there is none.
   */
  createMemoryFile(bytes: number): number | string;
  /**
   * Writes `bytes` at `position` and makes the content durable (fdatasync), in one task of libuv's pool. Leave them
   * alone until it settles.
   * @returns milliseconds that the sync took; undefined when the write was short, or refused with EINVAL: then
   *   nothing is synced. Rejects with an Error that carries the errno name in `code`.
   */
  writeSynced(descriptor: number, bytes: Uint8Array, position: number): Promise<number | undefined>;
  /** Page-aligned anonymous memory, zeroed, freed with the ArrayBuffer. */
  allocateAligned(bytes: number): ArrayBuffer;
  /**
   * Writes a JSON array with the public id, or null, of the profile that each of the `count` nodes behind
   * `nodes[0]` leads to by its word (identity/node-words.ts) and `profileOf`; 0 is no node.
   * @returns its bytes; -1 when the arguments make no sense, or `answer` is shorter than 2 + 39 a node.
   */
  writeProfiles(
    nodes: Uint32Array,
    count: number,
    words: Int32Array,
    profileOf: Uint32Array,
    key: Uint8Array,
    answer: Uint8Array,
  ): number;
  /**
   * Has the processor fetch what folding rows is going to read of identity's arrays (native/src/fold_ahead.cc).
   * @param nodes of the rows, as the stager tells them; the arrays have room for all that these lead to.
   */
  fetchFold(
    nodes: Uint32Array,
    rows: number,
    words: Int32Array,
    profileOf: Uint32Array,
    records: Uint32Array,
    times: Int32Array,
    edgeHeads: Uint32Array,
    edgeLinks: Uint32Array,
  ): void;
  /**
   * The public id of one profile, as a UUID. `plainly`: without the processor's instructions for it.
   * @returns undefined when the key has not 16 bytes.
   */
  profileText(key: Uint8Array, profile: number, plainly?: boolean): string | undefined;
  /** CRC-32C of `length` bytes from `offset`, continuing from `seed`. */
  crc32c(bytes: Uint8Array, offset: number, length: number, seed: number): number;
  /** Takes an exclusive lock on `path` for the life of the process. @returns '' or the reason. */
  lockFile(path: string, text: string): string;
  /** Locks an open file or directory until it is closed; false when others hold it otherwise. */
  tryLock(descriptor: number, isExclusive: boolean): boolean;
  /**
   * Bounds what the kernel holds for a connection that this process accepts on `port` from now on (SO_RCVBUF, of which
   * Linux makes twice as much, to have room for its own records).
   * @returns how many sockets listen there, or why they keep what they have.
   */
  boundReceiveBuffers(port: number, bytes: number): number | string;
  /** Lowers RLIMIT_DATA, soft and hard, for ever. @returns '' or the reason. */
  limitDataBytes(bytes: number): string;
  /**
   * Asks for turns of so long for the calling thread, which then gets a processor sooner (thread_turns.h); 0 for
   * those of everybody.
   * @returns false where the system knows no such request.
   */
  shortenTurns(micros: number): boolean;

  readonly Decoder: new (limits: DecoderLimits) => NativeDecoder;
  /** A row longer than `rowBytesMax` is cut off behind that. */
  readonly ColumnRows: new (
    rowBytesMax: number,
  ) => NativeColumnRows;
  readonly MsgpackRecords: new () => NativeMsgpackRecords;
  readonly MsgpackTranscoder: new (limits: MsgpackLimits) => NativeMsgpackTranscoder;
  readonly IdentifierIndex: new (
    directory: string,
    nodesMax: number,
    valuesBytesMax: number,
  ) => NativeIdentifierIndex;
  /** Throws when its files cannot be made. */
  readonly TraitStore: new (
    directory: string,
    anchorsMax: number,
    valuesMax: number,
    textBytesMax: number,
  ) => NativeTraitStore;
  /** `onResults` is called when there are results, once for several; it takes until there is none. */
  readonly Stager: new (
    options: NativeStagerOptions,
    onResults: () => void,
  ) => NativeStager;

  /**
   * Writes to `found` the rows below `rowEnd` that hold `text` in a utf8 column, hidden ones with their
   * highest bit set (text_search.cc). @returns how many, at most as many as fit; -1 for bad arguments.
   */
  findText(
    segment: NativeRegion,
    columnName: string,
    text: Uint8Array,
    rowEnd: number,
    found: Uint32Array,
  ): number;

  /**
   * Makes lines of what is within a JSON array of events, in place (import_json.cc): commas between events and
   * the bracket at its end become line ends, and line ends become spaces. `state` is carried from piece to
   * piece, 0 at first: [depth, isInString, isEscaped, isOver].
   * @returns the position behind what was changed: the array's end, or the piece's; -1 when a brace ends it.
   */
  breakLines(piece: Uint8Array, state: Uint32Array): number;
  /**
   * Writes to `ends` the positions behind the msgpack values in `bytes`, one behind the other, that end within
   * `bytesMax`, as many as fit (import_msgpack.cc). Records of msgpackr are no values here.
   * @returns how many; or -1 less their number when something that is no value follows them.
   */
  msgpackEnds(bytes: Uint8Array, ends: Uint32Array, bytesMax: number): number;
  /**
   * Joins the lines of `source` by commas in `target` (import_rows.cc), without the blank ones: at most `rowsMax`, and
   * as many as fit. With `idPrefix` each gets a message id, its first member: the prefix and its number, from
   * `firstRow` on.
   * @param isComplete whether the end of `source` is the end of a line.
   */
  joinLines(
    source: Uint8Array,
    target: Uint8Array,
    isComplete: boolean,
    rowsMax: number,
    idPrefix: Uint8Array | undefined,
    firstRow: number,
  ): JoinedLines;
  /**
   * Copies the msgpack maps of `source` that end at the first `rows` of `ends`, one behind the other, to `target`
   * (import_rows.cc). Each gets a message id, its first entry: the prefix and its number, from `firstRow` on.
   * @returns bytes written; or -1 less the place of a row that is no map, or does not fit.
   */
  joinMaps(
    source: Uint8Array,
    ends: Uint32Array,
    rows: number,
    target: Uint8Array,
    idPrefix: Uint8Array,
    firstRow: number,
  ): number;

  /** Points the DuckDB functions of this process at a tenant's hot directory. @returns '' or why not. */
  openHotDirectory(path: string): string;
  /**
   * Takes a snapshot of a table that every scan of this process sees until `releaseTables`. The rows below
   * `floorRow` are those of the list of cold files `coldVersion`. @returns it, or why it cannot be taken.
   */
  holdTable(table: string): HeldTable | string;
  /**
   * Lets every scan of this process for `hot_scan(name)` read these rows, of segments of one table, until
   * `releaseTables`. Needs no open hot directory. @returns '' or why not.
   */
  holdSlices(name: string, slices: readonly SliceReference[]): string;
  releaseTables(): void;
  /**
   * Lets scans of `table` in this process leave out rows, and whole segments, whose `column` lies
   * outside [min, max] or is NULL. Holds until cleared.
   */
  setScanBound(table: string, column: string, min: bigint, max: bigint): void;
  clearScanBounds(): void;
  /** Segments scanned and skipped since the last call, for `system.queries`. */
  takeScanCounts(): { segmentsScanned: number; segmentsSkipped: number; rowsScanned: number };
}

const here = dirname(fileURLToPath(import.meta.url));

/** The build lies beside the sources; this module runs from `native/` or from `dist/native/`. */
function findAddon(): string {
  const name = 'build/Release/tributary.duckdb_extension';
  const candidates = [join(here, name), join(here, '../../native', name)];
  return candidates.find((path) => existsSync(path)) ?? candidates[1]!;
}

/** What DuckDB `LOAD`s: the same file, by the same path, as {@link native}. */
export const extensionPath: string = findAddon();

function load(): NativeAddon {
  const module: { exports: unknown } = { exports: {} };
  try {
    process.dlopen(module as NodeJS.Module, extensionPath, constants.dlopen.RTLD_LAZY);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError(
      'TRIBUTARY_BASE_NATIVE_MISSING',
      { path: extensionPath, reason },
      cause,
    );
  }
  return module.exports as NativeAddon;
}

export const native: NativeAddon = load();
