/**
 * The newest values of declared traits, kept by anchor and key as events are folded, in shared arrays that
 * query workers read (native/src/trait_format.h). They are what SQL computes from `events`
 * (query/declared-columns.ts), without reading them.
 *
 * - The newest by event time, and then by sequence, stays; null is a value.
 * - By anchor: a merge, an undo and a split move nothing.
 * - A key is complete when nothing was said before it was kept, or once that was put, too. Only then has it
 *   a slot to be read by.
 *
 * Failure: without room for a value nothing is kept any more, no key has a slot, and traits are read from
 * events. Nothing else depends on it.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { type NativeRegion, type NativeTraitStore, native } from '../native/index.ts';
import type { StatePart, StateSource } from '../storage/state-part.ts';

/** The part of a checkpoint. Those of older versions have none. */
const PART = 'traits';

/** A value that a call said, as JSON. */
export interface SaidValue {
  readonly anchor: number;
  readonly key: string;
  readonly micros: number;
  readonly sequence: number;
  readonly value: string;
}

export class TraitStore {
  readonly #native: NativeTraitStore;

  /** @throws TRIBUTARY_STORAGE_REGION_FULL */
  constructor(directory: string, anchorsMax: number) {
    const { traitValuesMax, traitTextBytesMax } = LIMITS;
    try {
      this.#native = new native.TraitStore(
        directory,
        anchorsMax + 1,
        traitValuesMax,
        traitTextBytesMax,
      );
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const parameters = { path: directory, neededBytes: 0, reason };
      throw new TributaryError('TRIBUTARY_STORAGE_REGION_FULL', parameters, cause);
    }
  }

  /** Why nothing is kept any more; '' while all is well. */
  get failure(): string {
    return this.#native.failure;
  }

  get memoryBytes(): number {
    return this.#native.memoryBytes;
  }

  /** Keeps these keys from the next batch on, and no others. @param isFirst nothing was said yet. */
  keep(keys: readonly string[], isFirst: boolean): void {
    this.#native.keep(keys, isFirst);
  }

  /** By what SQL reads a key; 0 when it has to read events. */
  slotOf(key: string): number {
    return this.#native.slotOf(key);
  }

  /** Takes the next rows of `events`, whose anchors are known. */
  fold(segment: NativeRegion, row: number, count: number, sequence: number): void {
    const isTaken = this.#native.fold(segment, row, count, sequence);
    assert(isTaken, 'rows of events are folded');
  }

  /** Adds what was said before a key was kept. */
  put({ anchor, key, micros, sequence, value }: SaidValue): void {
    this.#native.put(anchor, key, micros, sequence, value);
  }

  /** All that was said before the key was kept has been put. */
  complete(key: string): void {
    this.#native.complete(key);
  }

  /** Leaves nothing of what these anchors said. */
  forget(anchors: readonly number[]): void {
    this.#native.forget(Uint32Array.from(anchors));
  }

  /** What a checkpoint keeps: a stream of the values, so that what was replaced is not in it. */
  state(): StatePart {
    const store = this.#native;
    const read = (offset: number, target: Uint8Array): void => {
      assert(store.readState(offset, target), 'a part is read within its length');
    };
    return { name: PART, bytes: store.stateBytes, read };
  }

  /** Takes over what {@link TraitStore.state} was; this is fresh. */
  async restore(source: StateSource): Promise<void> {
    if (!source.has(PART)) return;
    await source.copy(PART, (_, piece) => {
      const isSound = this.#native.writeState(piece);
      assert(isSound || this.failure !== '', 'a sound checkpoint has sound traits');
    });
    assert(
      this.#native.endRestore() || this.failure !== '',
      'the traits of a checkpoint are whole',
    );
  }

  /** Unmaps the arrays and leaves their files. Idempotent. */
  close(): void {
    this.#native.close();
  }
}
