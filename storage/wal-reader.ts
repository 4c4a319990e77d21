/**
 * Reads a tenant's log after a start: every intact record in order, and what a crash left behind it.
 *
 * It changes nothing on disk. What has to be cut or removed comes back as a plan, which the writer
 * carries out before it opens its first file.
 *
 * A crash can leave, and this accepts:
 * - a torn tail: damaged bytes with no record of a later group behind them. The group was never
 *   reported durable, since no group is written before the one before it is synced;
 * - files without records, with a header or a torn one: prepared ahead and never used;
 * - missing files below `fromSequence`: they were removed after a checkpoint.
 *
 * Everything else is corruption of what was reported durable, and refused (TRIBUTARY_STORAGE_WAL_CORRUPT)
 * unless the operator accepts the loss; then it is skipped and counted. A last group that was reported
 * durable and decayed afterwards looks like a torn tail: no log can tell the two apart.
 */
import { TributaryError } from '../base/errors.ts';
import { type Crc32c, crc32c as referenceCrc32c } from './crc32c.ts';
import type { FileHandle } from './file-system.ts';
import type { WalSource } from './wal-extent.ts';
import {
  parseWalFileName,
  readWalFileHeader,
  WAL_BLOCK_BYTES,
  WAL_FORMAT_VERSION,
  WAL_RECORD_HEADER_BYTES,
  WAL_RECORD_TYPE,
  type WalCodec,
  type WalFileHeader,
  type WalRecordFields,
  type WalRecordType,
  walCrcSeed,
  walFileName,
  walRecord,
} from './wal-format.ts';
import { lastFileBeginningBy, listWalFiles } from './wal-start.ts';
import { WalWindow } from './wal-window.ts';

/**
 * A record read back. One object is reused for all: take what you need before returning, or before the
 * promise that is returned settles.
 */
export interface WalRecord extends Readonly<WalRecordFields> {
  /** Holds the payload at [payloadOffset, payloadOffset + length), with 64 readable bytes behind. */
  readonly buffer: Uint8Array;
  readonly payloadOffset: number;
}

export interface WalReadOptions {
  readonly fileSystem: WalSource;
  /** Holds this tenant's log and nothing else. It exists. */
  readonly directory: string;
  /** 16 bytes; a file of another tenant is corruption. */
  readonly tenantId: Uint8Array;
  /** The first sequence the caller has no other source for; records wholly below are checked only. */
  readonly fromSequence: number;
  /**
   * Reading ends before the first record that reaches beyond the sequences below this one; all unless
   * given. What is below is durable: so a log that is being written can be read.
   */
  readonly toSequence?: number;
  /** Pass over files wholly below `fromSequence`, unread and unchecked. */
  readonly skipsFilesBelow?: boolean;
  readonly acceptDataLoss?: boolean;
  readonly crc32c?: Crc32c;
}

/** A file that holds records, as `removeFilesBelow` needs it. */
export interface WalFileSummary {
  readonly name: string;
  readonly bytes: number;
  /** The sequence that follows its last event; of a file that was passed over a bound of it. */
  readonly endSequence: number;
}

/** What to do before the log is written again. Idempotent: a crash in between repeats it. */
export interface WalRepair {
  /** The torn tail to cut. */
  readonly truncate: { readonly name: string; readonly bytes: number } | undefined;
  /**
   * The last file with records: a killed process may have left them in the page cache, and what is
   * recovered from them is shown to readers.
   */
  readonly sync: string | undefined;
  /** Files without records. */
  readonly remove: readonly string[];
}

export interface WalRecovery {
  readonly nextSequence: number;
  readonly nextOrdinal: number;
  /** Records, events and payload bytes handed to the visitor. */
  readonly records: number;
  readonly events: number;
  readonly bytes: number;
  /** Dropped behind the last intact record; never reported durable. */
  readonly tornBytes: number;
  /** Lost to corruption; not 0 only when loss was accepted. */
  readonly lostBytes: number;
  readonly lostEvents: number;
  readonly files: readonly WalFileSummary[];
  readonly repair: WalRepair;
}

/** Takes a record; the reader waits for the promise, if there is one. */
export type WalVisitor = (record: WalRecord) => void | Promise<void>;

/**
 * Hands every record from `fromSequence` on to `visit`, in sequence order.
 * @throws TRIBUTARY_STORAGE_WAL_CORRUPT, TRIBUTARY_STORAGE_WAL_VERSION, and what `visit` throws. The
 *   records before the damage have been visited by then.
 */
export async function readWal(options: WalReadOptions, visit: WalVisitor): Promise<WalRecovery> {
  const names = await listWalFiles(options);
  const reader = new WalReader(options, visit);
  const start = options.skipsFilesBelow
    ? await lastFileBeginningBy(options, names, options.fromSequence)
    : undefined;
  for (const [index, name] of names.entries()) {
    if (reader.isDone) break;
    if (start !== undefined && index < start.index) await reader.passOver(name, start.first);
    else await reader.readFile(name);
  }
  return reader.recovery(parseWalFileName(names.at(-1) ?? walFileName(0))! + 1);
}

/** A torn tail that is still legal: nothing was found behind it so far. */
interface TornTail {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

class WalReader {
  readonly #options: WalReadOptions;
  readonly #crc32c: Crc32c;
  readonly #visit: WalVisitor;
  readonly #toSequence: number;
  readonly #window: WalWindow;
  readonly #record: { -readonly [Key in keyof WalRecord]: WalRecord[Key] };
  readonly #files: WalFileSummary[] = [];
  readonly #empty: string[] = [];
  #torn: TornTail | undefined;
  /** The sequence the next record must have. */
  #expected = 0;
  #records = 0;
  #events = 0;
  #bytes = 0;
  #lostBytes = 0;
  #lostEvents = 0;
  /** Whether a loss was accepted: groups are then no longer expected to follow one another. */
  #isDamaged = false;
  /** Whether `toSequence` was reached. */
  #isDone = false;

  // The place in the file being read.
  #isFileStart = true;
  #group = -1;
  #groupEnded = true;

  constructor(options: WalReadOptions, visit: WalVisitor) {
    this.#options = options;
    this.#crc32c = options.crc32c ?? referenceCrc32c;
    this.#visit = visit;
    this.#toSequence = options.toSequence ?? Number.POSITIVE_INFINITY;
    this.#window = new WalWindow(options.fileSystem, this.#crc32c);
    this.#record = {
      buffer: new Uint8Array(0),
      payloadOffset: 0,
      length: 0,
      sequence: 0,
      receivedAtMicros: 0,
      type: WAL_RECORD_TYPE.events,
      codec: 1,
      source: 0,
      eventCount: 0,
      defaultType: 0,
      hasSender: false,
    };
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  recovery(nextOrdinal: number): WalRecovery {
    const torn = this.#torn;
    return {
      nextSequence: Math.max(this.#expected, this.#options.fromSequence),
      nextOrdinal,
      records: this.#records,
      events: this.#events,
      bytes: this.#bytes,
      tornBytes: torn?.bytes ?? 0,
      lostBytes: this.#lostBytes,
      lostEvents: this.#lostEvents,
      files: this.#files,
      repair: {
        truncate: torn && { name: torn.name, bytes: torn.offset },
        sync: this.#files.at(-1)?.name,
        remove: this.#empty,
      },
    };
  }

  /** A file all of whose records lie below `endSequence`, and below where reading begins. */
  async passOver(name: string, endSequence: number): Promise<void> {
    const handle = await this.#options.fileSystem.open(
      `${this.#options.directory}/${name}`,
      'read',
    );
    try {
      this.#files.push({ name, bytes: await handle.size(), endSequence });
    } finally {
      await handle.close();
    }
  }

  async readFile(name: string): Promise<void> {
    const path = `${this.#options.directory}/${name}`;
    const handle = await this.#options.fileSystem.open(path, 'read', { direct: true });
    try {
      await this.#readOpen(name, handle, await handle.size());
    } finally {
      await this.#window.settle();
      await handle.close();
    }
  }

  async #readOpen(name: string, handle: FileHandle, fileBytes: number): Promise<void> {
    if (fileBytes > WAL_BLOCK_BYTES && this.#torn !== undefined) {
      const { bytes } = this.#torn;
      this.#lose(this.#torn.name, this.#torn.offset, bytes, 'a later file follows the damage');
      this.#torn = undefined;
    }
    const header = await this.#readHeader(name, handle, fileBytes);
    if (header === undefined) return;
    if (header.sequenceFloor > this.#expected) {
      this.#expectGap(name, 0, header.sequenceFloor);
    }
    this.#isFileStart = true;
    this.#group = -1;
    this.#groupEnded = true;
    this.#window.attach(handle, fileBytes, walCrcSeed(header.fileId, this.#crc32c));
    await this.#readRecords(name, fileBytes);
    if (this.#isFileStart) this.#empty.push(name);
    else this.#files.push({ name, bytes: fileBytes, endSequence: this.#expected });
  }

  /** @returns undefined when the file is to be passed over. */
  async #readHeader(
    name: string,
    handle: FileHandle,
    fileBytes: number,
  ): Promise<WalFileHeader | undefined> {
    const block = this.#options.fileSystem.allocate(WAL_BLOCK_BYTES);
    const read = await handle.read(block, 0, WAL_BLOCK_BYTES, 0);
    const header = readWalFileHeader(block.subarray(0, read), this.#crc32c);
    if (header !== undefined && 'newerVersion' in header) {
      throw new TributaryError('TRIBUTARY_STORAGE_WAL_VERSION', {
        file: name,
        version: header.newerVersion,
        supported: WAL_FORMAT_VERSION,
      });
    }
    const problem = this.#headerProblem(name, header);
    if (problem === undefined) return header;
    // A header is synced before the first record is written: without one there were no records.
    if (header === undefined && fileBytes <= WAL_BLOCK_BYTES) this.#empty.push(name);
    else this.#lose(name, 0, fileBytes, problem);
    return undefined;
  }

  #headerProblem(name: string, header: WalFileHeader | undefined): string | undefined {
    if (header === undefined) return 'its header is damaged';
    if (header.ordinal !== parseWalFileName(name)) return 'its header belongs to another file';
    const { tenantId } = this.#options;
    if (!header.tenantId.every((byte, index) => byte === tenantId[index])) {
      return 'it belongs to another tenant';
    }
    return undefined;
  }

  async #readRecords(name: string, fileBytes: number): Promise<void> {
    let problem: string | undefined;
    const accept = (index: number, position: number): boolean | Promise<boolean> => {
      problem = this.#orderProblem(name, index, position);
      if (problem !== undefined || this.#endsBefore(index)) return false;
      const taken = this.#accept(index);
      return taken === undefined ? true : taken.then(() => true);
    };
    let position = await this.#window.walk(WAL_BLOCK_BYTES, accept);
    while (position < fileBytes && !this.#isDone) {
      const damaged = position;
      const group = this.#groupEnded ? this.#group + 1 : this.#group;
      const later = await this.#window.find(damaged + 8, group + 1);
      if (problem === undefined && later === undefined) {
        this.#torn = { name, offset: damaged, bytes: fileBytes - damaged };
        return;
      }
      // Skips what cannot be used: a record at least, or up to the next intact one.
      const next = (await this.#window.find(damaged + 8, 0)) ?? fileBytes;
      this.#lose(name, damaged, next - damaged, problem ?? 'intact records follow a damaged one');
      problem = undefined;
      position = await this.#window.walk(next, accept);
    }
  }

  /** Whether reading ends before this record, which is due. */
  #endsBefore(index: number): boolean {
    const events = walRecord.eventCount(this.#window.buffer.view, index);
    this.#isDone = this.#expected + events > this.#toSequence;
    return this.#isDone;
  }

  /** Why an intact record cannot stand where it does; undefined when it can. */
  #orderProblem(name: string, index: number, position: number): string | undefined {
    const { view } = this.#window.buffer;
    const sequence = walRecord.sequence(view, index);
    if (sequence > this.#expected) this.#expectGap(name, position, sequence);
    if (sequence < this.#expected) {
      return `sequence ${sequence} stands where ${this.#expected} is due`;
    }
    const group = walRecord.group(view, index);
    const due = this.#groupEnded ? this.#group + 1 : this.#group;
    if (group === due || this.#isDamaged) return undefined;
    return `group ${group} stands where ${due} is due`;
  }

  /** Records below `fromSequence` may be gone; others may not. */
  #expectGap(name: string, offset: number, sequence: number): void {
    const first = Math.max(this.#expected, this.#options.fromSequence);
    if (sequence > first) {
      this.#lose(name, offset, 0, `sequences ${first} to ${sequence - 1} are missing`);
      this.#lostEvents += sequence - first;
    }
    this.#expected = sequence;
  }

  #accept(index: number): Promise<void> | undefined {
    const { view } = this.#window.buffer;
    const type = walRecord.type(view, index);
    this.#isFileStart = false;
    this.#group = walRecord.group(view, index);
    this.#groupEnded = type === WAL_RECORD_TYPE.filler;
    if (this.#groupEnded) return undefined;
    const record = this.#record;
    record.sequence = this.#expected;
    record.eventCount = walRecord.eventCount(view, index);
    this.#expected += record.eventCount;
    if (
      this.#expected <= this.#options.fromSequence &&
      record.sequence < this.#options.fromSequence
    )
      return undefined;
    record.length = walRecord.length(view, index);
    record.receivedAtMicros = walRecord.receivedAtMicros(view, index);
    record.type = type as WalRecordType;
    record.codec = walRecord.codec(view, index) as WalCodec;
    record.source = walRecord.source(view, index);
    record.defaultType = walRecord.defaultType(view, index);
    record.hasSender = walRecord.hasSender(view, index);
    record.buffer = this.#window.buffer.bytes;
    record.payloadOffset = index + WAL_RECORD_HEADER_BYTES;
    this.#records += 1;
    this.#events += record.eventCount;
    this.#bytes += record.length;
    return this.#visit(record) ?? undefined;
  }

  /** Counts a loss the operator accepted. @throws TRIBUTARY_STORAGE_WAL_CORRUPT when he did not. */
  #lose(file: string, offset: number, bytes: number, reason: string): void {
    if (this.#options.acceptDataLoss !== true) {
      throw new TributaryError('TRIBUTARY_STORAGE_WAL_CORRUPT', { file, offset, reason });
    }
    this.#isDamaged = true;
    this.#lostBytes += bytes;
  }
}
