/**
 * The batches without an answer, and which of them may be sent now. It decides and does no IO.
 *
 * - Ids ascend in the order of `add`; batches are sent in that order, but for those sent again.
 * - What is sent never goes beyond the credit of the connection.
 * - A batch leaves only by an answer: a broken connection makes it wait again, unless the next hello
 *   says that the appliance has it.
 */
import { type Credit, FRAME_HEAD_BYTES, type Hello } from './frames.ts';
import type { SendPart } from './pending-send.ts';

export interface Batch {
  readonly id: number;
  /** The whole frame; its payload is what counts against the credit. */
  readonly frame: Uint8Array;
  /** Whose events it holds; empty for a batch of an earlier run. */
  readonly parts: readonly SendPart[];
  /** What it takes of the buffer. */
  readonly bytes: number;
}

const NONE: Credit = { batches: 0, bytes: 0 };

export class SendWindow {
  /** Ascending by id. */
  readonly #unanswered = new Map<number, Batch>();
  /** Not sent on this connection, ascending by id. */
  #waiting = new Map<number, Batch>();
  /** Sent and wanted again; at most what the credit let out. */
  #again: Batch[] = [];
  #credit = NONE;
  #lastId = -1;

  /** Batches without an answer. */
  get size(): number {
    return this.#unanswered.size;
  }

  /** Batches that the appliance owes an answer for. */
  get owed(): number {
    return this.#unanswered.size - this.#waiting.size - this.#again.length;
  }

  /** Every batch up to this id has its answer. */
  get acknowledged(): number {
    const [oldest] = this.#unanswered.keys();
    return oldest === undefined ? this.#lastId : oldest - 1;
  }

  batches(): Iterable<Batch> {
    return this.#unanswered.values();
  }

  add(batch: Batch): void {
    this.#unanswered.set(batch.id, batch);
    this.#waiting.set(batch.id, batch);
    this.#lastId = batch.id;
  }

  connected({ credit, taken }: Hello): void {
    this.disconnected();
    this.#credit = credit;
    for (const id of taken) this.#waiting.delete(id);
  }

  disconnected(): void {
    this.#credit = NONE;
    this.#again = [];
    this.#waiting = new Map(this.#unanswered);
  }

  /** Takes the next batch that the credit covers. */
  take(): Batch | undefined {
    const [first] = this.#waiting.values();
    const batch = this.#again[0] ?? first;
    if (batch === undefined) return undefined;
    const bytes = batch.frame.length - FRAME_HEAD_BYTES;
    if (this.#credit.batches < 1 || this.#credit.bytes < bytes) return undefined;
    this.#credit = { batches: this.#credit.batches - 1, bytes: this.#credit.bytes - bytes };
    if (batch === this.#again[0]) this.#again.shift();
    else this.#waiting.delete(batch.id);
    return batch;
  }

  grant(credit: Credit): void {
    this.#credit = {
      batches: this.#credit.batches + credit.batches,
      bytes: this.#credit.bytes + credit.bytes,
    };
  }

  /** @returns the batch that is decided; undefined for an id that has no batch. */
  answer(id: number): Batch | undefined {
    const batch = this.#unanswered.get(id);
    if (batch === undefined) return undefined;
    this.#unanswered.delete(id);
    this.#waiting.delete(id);
    this.#again = this.#again.filter((other) => other !== batch);
    return batch;
  }

  /** The appliance wants it again, later. */
  putBack(id: number): void {
    const batch = this.#unanswered.get(id);
    if (batch === undefined || this.#waiting.has(id) || this.#again.includes(batch)) return;
    this.#again.push(batch);
  }
}
