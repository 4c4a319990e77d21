/** What the tests of the log share: a log of small records whose payloads name their sequence. */
import type { TributaryError } from '../../base/errors.ts';
import { seededRandomSource } from '../../base/random.ts';
import { atomicReplace, type FileSystem, readFile } from '../../storage/file-system.ts';
import { WAL_CODEC, WAL_RECORD_TYPE } from '../../storage/wal-format.ts';
import { readWal, type WalReadOptions, type WalRecovery } from '../../storage/wal-reader.ts';
import { WalWriter, type WalWriterOptions } from '../../storage/wal-writer.ts';

export const DIRECTORY = '/wal';
export const TENANT_ID = Uint8Array.from({ length: 16 }, (_, index) => index);

let ticks = 0;
export const testClock = { nowMicros: () => 1_700_000_000_000_000, monotonicMs: () => ticks++ };

/** A record as a test sees it. */
export interface SeenRecord {
  readonly sequence: number;
  readonly eventCount: number;
  readonly payload: string;
}

/** The payload of the record at `sequence`: its length depends on it, its bytes prove it. */
export function payloadOf(sequence: number, length: number): string {
  return `${sequence}:`.padEnd(length, String.fromCharCode(97 + (sequence % 26)));
}

export async function recover(
  fileSystem: FileSystem,
  options: Partial<WalReadOptions> = {},
): Promise<{ records: SeenRecord[]; recovery: WalRecovery }> {
  const records: SeenRecord[] = [];
  const recovery = await readWal(
    { fileSystem, directory: DIRECTORY, tenantId: TENANT_ID, fromSequence: 1, ...options },
    ({ sequence, eventCount, buffer, payloadOffset, length }) => {
      const payload = buffer.subarray(payloadOffset, payloadOffset + length);
      records.push({ sequence, eventCount, payload: new TextDecoder().decode(payload) });
    },
  );
  return { records, recovery };
}

/** A writer and what it told. */
export class TestLog {
  readonly writer: WalWriter<SeenRecord>;
  readonly committed: SeenRecord[] = [];
  readonly durable: SeenRecord[];
  readonly groups: number[];
  readonly poisoned: { error: TributaryError; records: readonly SeenRecord[] }[];

  private constructor(
    writer: WalWriter<SeenRecord>,
    told: Pick<TestLog, 'durable' | 'groups' | 'poisoned'>,
  ) {
    this.writer = writer;
    this.durable = told.durable;
    this.groups = told.groups;
    this.poisoned = told.poisoned;
  }

  /** Opens the log after reading what is there. `seed` makes the file ids. */
  static async open(
    fileSystem: FileSystem,
    options: Partial<WalWriterOptions<SeenRecord>> & { seed?: number } = {},
  ): Promise<TestLog> {
    const durable: SeenRecord[] = [];
    const groups: number[] = [];
    const poisoned: TestLog['poisoned'] = [];
    await fileSystem.makeDirectory(DIRECTORY);
    await fileSystem.syncDirectory('/');
    const writer = await WalWriter.open<SeenRecord>({
      fileSystem,
      directory: DIRECTORY,
      tenantId: TENANT_ID,
      clock: testClock,
      random: seededRandomSource(options.seed ?? 1),
      recovery: options.recovery ?? (await recover(fileSystem)).recovery,
      stagingBytesMax: 64 * 1024,
      onGroupDurable: (records) => {
        durable.push(...records);
        groups.push(records.length);
      },
      onPoisoned: (error, records) => poisoned.push({ error, records }),
      ...options,
    });
    return new TestLog(writer, { durable, groups, poisoned });
  }

  /** @returns false when the staging buffer was full. */
  append(payloadBytes: number, eventCount = 1): boolean {
    const bytes = Buffer.byteLength(payloadOf(this.writer.nextSequence, payloadBytes));
    if (!this.writer.promise(bytes)) return false;
    this.commit(payloadBytes, eventCount);
    return true;
  }

  /** Commits a record for which there was a promise. */
  commit(payloadBytes: number, eventCount = 1): void {
    const { writer } = this;
    const sequence = writer.nextSequence;
    const payload = payloadOf(sequence, payloadBytes);
    const bytes = new TextEncoder().encode(payload);
    const record = { sequence, eventCount, payload };
    this.committed.push(record);
    writer.commitRecord(
      {
        length: bytes.length,
        sequence,
        receivedAtMicros: testClock.nowMicros(),
        type: WAL_RECORD_TYPE.events,
        codec: WAL_CODEC.json,
        source: 3,
        eventCount,
        defaultType: 0,
        hasSender: false,
      },
      bytes,
      record,
    );
  }
}

/** Replaces what a file holds, durably, as decay or an operator would. */
export async function overwrite(
  fileSystem: FileSystem,
  name: string,
  change: (bytes: Uint8Array) => Uint8Array,
): Promise<void> {
  const path = `${DIRECTORY}/${name}`;
  await atomicReplace(fileSystem, path, change(await readFile(fileSystem, path)));
}
