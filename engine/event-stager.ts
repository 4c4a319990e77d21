/**
 * The first half of the write path, in one or two threads of its own: payloads become staged rows of `events`,
 * duplicates are hidden, identifiers become nodes. This is the side of the main thread: it hands
 * payloads over and hears of their rows, in the order of submission (native/src/stager.h is the other).
 *
 * - All rows of a batch lie in one segment. The thread asks for the next one when the active one is full.
 * - It asks for room in identity, too, before it stages what could bring more than there is room for.
 * - A batch that is refused leaves no row behind, and takes no sequence.
 * - What is staged depends only on the bytes and the fields of their record, so replay stages the same.
 * - A payload is copied once, into the ring, and lies there until whoever submitted it has heard of it.
 */
import { availableParallelism } from 'node:os';
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { Fifo } from '../base/fifo.ts';
import { LIMITS } from '../base/limits.ts';
import { type NativeIdentifierIndex, type NativeStager, native } from '../native/index.ts';
import type { HotTable } from '../storage/hot-table.ts';
import type { StatePart, StateSource } from '../storage/state-part.ts';
import { WAL_CODEC, WAL_SENDER_BYTES } from '../storage/wal-format.ts';
import {
  DECODE_IDENTITY_FULL,
  DECODE_REGION_FULL,
  DECODE_SEGMENT_FULL,
  decodeError,
} from './decode-codes.ts';
import type { IdentityRoom } from './identity-room.ts';
import { PayloadRing } from './payload-ring.ts';
import { OUTCOME, RESULT, readStagedRows, type StagedRows } from './staged-rows.ts';
import type { Codec } from './types.ts';

/** What staging needs to know of a batch: what the log keeps of it. */
export interface StagerInput {
  readonly codec: Codec;
  readonly bytes: Uint8Array;
  readonly receivedAtMicros: number;
  readonly sourceName: string;
  /** Position in EVENT_TYPES of the type the path named, or its length for none. */
  readonly typeOfPath: number;
  /** As of {@link IncomingBatch.senderAddress}. */
  readonly senderAddress: Uint8Array | undefined;
  /** As of {@link IncomingBatch.joinedRows}; what was logged was held against it. */
  readonly joinedRows?: number | undefined;
}

/**
 * What became of a batch. `payload` is what was submitted, and behind it the address of its sender, if it has
 * one; valid until the listener returns.
 */
export type OnStaged = (result: StagedRows | TributaryError, payload: Uint8Array) => void;

export interface EventStagerOptions {
  readonly events: HotTable;
  readonly identifiers: NativeIdentifierIndex;
  /** Told of what is staged; whoever folds the rows tells it of that. */
  readonly room: IdentityRoom;
  readonly nextSequence: number;
  readonly dedupeWindowMicros: number;
  /** 8 bytes that stay the same for the life of the tenant. */
  readonly messageIdSecret: Uint8Array;
  /** One or two; as many as there are processors for, unless given. */
  readonly threads?: 1 | 2;
  /** Of the payloads under way at once; LIMITS.stagerPayloadBytesMax unless given. */
  readonly payloadBytes?: number;
}

interface UnderWay {
  /** Of its first event; 0: that after what was submitted before. */
  readonly sequence: number;
  /** Where the payload and its sender's address lie in the ring. */
  readonly offset: number;
  readonly length: number;
  readonly receivedAtMicros: number;
  readonly sourceName: string;
  readonly typeOfPath: number;
  readonly onStaged: OnStaged;
}

/** A batch that waits in the ring until the stager goes on. */
type Held = () => void;

interface Placement {
  readonly sequence: number;
  /** Unless it was told at once. */
  readonly onPlaced: ((sequence: number) => void) | undefined;
}

/** Words of one page of results, beyond the largest of which a result gets a page of its own. */
const PAGE_WORDS = 64 * 1024;
const NO_TEXTS = Buffer.alloc(0);
/** Parts of a checkpoint, by their numbers in the addon: the head of the duplicate window, then its tables. */
const WINDOW_PARTS: readonly string[] = [
  'message_window',
  ...[1, 2, 3, 4].map((generation) => `message_window_${generation}`),
];
/** The main thread has a processor already. */
const THREADS = availableParallelism() > 2 ? 2 : 1;
/** Unchanged, to NativeStager.place. */
const SAME_WINDOW = -1;

/** Bytes that a batch takes in the ring and in the log. */
export function payloadBytes(bytes: Uint8Array, senderAddress: Uint8Array | undefined): number {
  return bytes.length + (senderAddress === undefined ? 0 : WAL_SENDER_BYTES);
}

export class EventStager {
  readonly #table: HotTable;
  readonly #room: IdentityRoom;
  readonly #native: NativeStager;
  readonly #ring: PayloadRing;
  readonly #underWay = new Fifo<UnderWay | Placement>();
  /** Undefined while batches go straight to the thread. */
  #held: Held[] | undefined;
  #pendingBytes = 0;
  /** Of the next result, and of the next submission where that does not follow. */
  #nextSequence: number;
  #continueAt = 0;
  /** Results since the last page was full; rows keep what they need of it alive. */
  #page = new Uint32Array(PAGE_WORDS);
  #pageUsed = 0;
  /** Why the batch that asked for a segment is going to be refused. */
  #rotationFailure: unknown;
  /** Why the batch that asked for room is going to be refused. */
  #roomFailure: TributaryError | undefined;
  #waiters: (() => void)[] = [];

  constructor(options: EventStagerOptions) {
    this.#table = options.events;
    this.#room = options.room;
    this.#nextSequence = options.nextSequence;
    this.#ring = new PayloadRing(options.payloadBytes ?? LIMITS.stagerPayloadBytesMax);
    this.#native = new native.Stager(
      {
        limits: LIMITS,
        windowMicros: options.dedupeWindowMicros,
        windowSecret: options.messageIdSecret,
        identifiers: options.identifiers,
        nextSequence: options.nextSequence,
        hasTwoThreads: (options.threads ?? THREADS) === 2,
        segment: options.events.activeRegion,
        payloads: this.#ring.bytes,
      },
      () => this.#takeResults(),
    );
  }

  /** Payload bytes submitted and not heard of yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Whether anything is under way. */
  get isBusy(): boolean {
    return this.#underWay.length > 0 || (this.#held?.length ?? 0) > 0;
  }

  /** Whether its threads are at work: what is held is not. */
  get isWorking(): boolean {
    return this.#underWay.length > 0;
  }

  /** Memory of the duplicate window. */
  get windowBytes(): number {
    return this.#native.memoryBytes;
  }

  /** What is submitted next begins at `sequence`: a log may have lost what was before. */
  continueAt(sequence: number): void {
    this.#continueAt = sequence;
  }

  /**
   * Hands a batch over; its bytes may change once this returns. Whatever becomes of it is told to
   * `onStaged`, never before this returned.
   * @returns false when there is no room for its bytes.
   */
  submit(input: StagerInput, onStaged: OnStaged): boolean {
    const { bytes, receivedAtMicros, senderAddress, sourceName, typeOfPath } = input;
    const { joinedRows = 0 } = input;
    const length = payloadBytes(bytes, senderAddress);
    const offset = this.#ring.allocate(length);
    if (offset < 0) return false;
    this.#ring.bytes.set(bytes, offset);
    if (senderAddress !== undefined) {
      this.#ring.bytes.set(senderAddress, offset + bytes.length);
    }
    this.#pendingBytes += length;
    const bodyBytes = bytes.length;
    const hasSender = senderAddress !== undefined;
    const codec = WAL_CODEC[input.codec];
    const hand = (): void => {
      const sequence = this.#continueAt;
      this.#continueAt = 0;
      const batch = { offset, length, receivedAtMicros, sourceName, typeOfPath, onStaged };
      this.#underWay.push({ sequence, ...batch });
      const stager = this.#native;
      stager.submit(
        codec,
        offset,
        bodyBytes,
        receivedAtMicros,
        sourceName,
        typeOfPath,
        sequence,
        hasSender,
        joinedRows,
      );
    };
    if (this.#held === undefined) hand();
    else this.#held.push(hand);
    return true;
  }

  /**
   * Keeps batches that are submitted from now on where they are, so that the thread comes to rest between two
   * records. What is under way goes on, and so does what is placed.
   */
  hold(): void {
    assert(this.#held === undefined, 'batches are held by one at a time');
    this.#held = [];
  }

  /** Goes on with what was held, in its order. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const hand of held) hand();
  }

  /**
   * Gives a record without rows its place in the order, and one sequence, which `onPlaced` is told: at
   * once when nothing is under way.
   * @param dedupeWindowMicros holds from there on.
   */
  place(onPlaced: (sequence: number) => void, dedupeWindowMicros: number = SAME_WINDOW): void {
    const isNext = this.#underWay.length === 0;
    const sequence = this.#continueAt === 0 && isNext ? this.#nextSequence : this.#continueAt;
    this.#continueAt = 0;
    this.#underWay.push({ sequence, onPlaced: isNext ? undefined : onPlaced });
    this.#native.place(dedupeWindowMicros, sequence);
    if (isNext) onPlaced(sequence);
  }

  /** Settles when something was heard of; at once when nothing is under way. */
  progress(): Promise<void> {
    if (this.#underWay.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Settles when all that was submitted was heard of, but for what is held. */
  async drained(): Promise<void> {
    while (this.#underWay.length > 0) await this.progress();
  }

  /** What a checkpoint keeps of the duplicate window; nothing is under way while it is read. */
  state(): StatePart[] {
    return WINDOW_PARTS.map((name, part): StatePart => {
      const read = (offset: number, target: Uint8Array): void => {
        assert(this.#native.readWindow(part, offset, target), 'a window at rest is read');
      };
      return { name, bytes: this.#native.windowBytes(part), read };
    });
  }

  /** Takes over what {@link EventStager.state} was; nothing was submitted before. */
  async restore(source: StateSource): Promise<void> {
    const fitsHead = 'the tables of a window fit its head';
    for (const [part, name] of WINDOW_PARTS.entries()) {
      assert(source.bytesOf(name) === this.#native.windowBytes(part), fitsHead);
      await source.copy(name, (offset, piece) => {
        assert(this.#native.writeWindow(part, offset, piece), fitsHead);
      });
    }
  }

  /** Ends the thread; what is under way is never heard of. Idempotent. */
  close(): void {
    this.#native.close();
  }

  #takeResults(): void {
    for (;;) {
      const words = this.#native.take(this.#page, this.#pageUsed);
      if (words === 0) break;
      if (words < 0) {
        this.#page = new Uint32Array(Math.max(PAGE_WORDS, -words));
        this.#pageUsed = 0;
        continue;
      }
      const at = this.#pageUsed;
      this.#pageUsed += words;
      this.#take(this.#page, at);
    }
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  #take(words: Uint32Array, at: number): void {
    const outcome = words[at + RESULT.outcome];
    if (outcome === OUTCOME.segmentFull) {
      this.#handNextSegment();
      return;
    }
    if (outcome === OUTCOME.roomNeeded) {
      this.#makeRoom(words[at + RESULT.claim]!);
      return;
    }
    const oldest = this.#underWay.shift();
    assert(oldest !== undefined, 'the stager tells of what was submitted');
    if (oldest.sequence > 0) this.#nextSequence = oldest.sequence;
    if ('onPlaced' in oldest) {
      assert(outcome === OUTCOME.placed, 'a record without rows is only placed');
      const sequence = this.#nextSequence;
      this.#nextSequence += 1;
      oldest.onPlaced?.(sequence);
      return;
    }
    const { offset, length, receivedAtMicros, sourceName, typeOfPath, onStaged } = oldest;
    const payload = this.#ring.bytes.subarray(offset, offset + length);
    this.#pendingBytes -= length;
    if (outcome === OUTCOME.refused) {
      onStaged(this.#failureOf(words[at + RESULT.failure]!, length), payload);
    } else {
      const segment = this.#table.activeSegment;
      const sequence = this.#nextSequence;
      const texts = words[at + RESULT.notes]! > 0 ? this.#native.texts : NO_TEXTS;
      const origin = { segment, sequence, receivedAtMicros, sourceName, typeOfPath, texts };
      const rows = readStagedRows(words, at, origin);
      this.#nextSequence += rows.count;
      this.#room.stage(rows.identifiers, rows.nodeCount);
      onStaged(rows, payload);
    }
    this.#ring.release(offset, length);
  }

  #handNextSegment(): void {
    try {
      // A segment that is still empty was handed over before, and could not be backed then.
      if (this.#table.activeSegment.stagedRows > 0) this.#table.sealAndRotate();
      this.#native.attach(this.#table.activeRegion);
    } catch (error) {
      this.#rotationFailure = error;
      this.#native.attach(null);
    }
  }

  #makeRoom(identifiers: number): void {
    this.#roomFailure = undefined;
    try {
      this.#room.claim(identifiers);
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      this.#roomFailure = error;
    }
    this.#native.resume();
  }

  #failureOf(failure: number, payloadBytes: number): TributaryError {
    if (failure === DECODE_SEGMENT_FULL) {
      const error = this.#rotationFailure;
      assert(error instanceof TributaryError, 'an empty segment has room for any batch');
      this.#rotationFailure = undefined;
      return error;
    }
    const reason = this.#native.failure;
    if (failure === DECODE_IDENTITY_FULL) {
      if (this.#roomFailure !== undefined) return this.#roomFailure;
      const count = this.#room.nodes;
      return new TributaryError('TRIBUTARY_IDENTITY_NODES_FULL', { count, reason });
    }
    if (failure !== DECODE_REGION_FULL) return decodeError(failure, reason);
    return new TributaryError('TRIBUTARY_STORAGE_REGION_FULL', {
      path: this.#table.activeSegment.path,
      neededBytes: payloadBytes,
      reason,
    });
  }
}
