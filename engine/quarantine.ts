/**
 * Nothing is lost silently: events that were not accepted become rows of `dead_letters`, with what was
 * sent; events that were altered, or dropped although they differ, become rows of `warnings`.
 */
import { DEAD_LETTERS } from '../storage/dead-letters-schema.ts';
import type { HotTable } from '../storage/hot-table.ts';
import { readText } from '../storage/segment-text.ts';
import { WARNINGS } from '../storage/warnings-schema.ts';
import type { StagedRejection, StagedRows, StagedWarning } from './staged-rows.ts';

/** UTF-16 code units take at most three bytes of UTF-8 each. */
const UTF8_BYTES_PER_UNIT = 3;

/** Where and when a batch came from. */
type BatchOrigin = Pick<StagedRows, 'sequence' | 'receivedAtMicros' | 'sourceName'>;

export class Quarantine {
  readonly #deadLetters: HotTable;
  readonly #warnings: HotTable;

  constructor(deadLetters: HotTable, warnings: HotTable) {
    this.#deadLetters = deadLetters;
    this.#warnings = warnings;
  }

  /** Keeps what was noted about the events of a batch. */
  keep(rows: StagedRows): void {
    for (const rejection of rows.rejections) this.#keepRejected(rejection, rows);
    for (const warning of rows.warnings) this.#warn(warning, rows);
  }

  /** Notes that an identifier of an event names nobody by the rules of identity. */
  noteBlocked(rows: StagedRows, index: number, type: string): void {
    const messageId = readText(rows.segment, 'message_id', rows.row + index);
    this.#warn({ index, code: 'identifier_blocked', path: type, messageId }, rows);
  }

  /** Makes the rows so far visible. */
  publish(): void {
    this.#deadLetters.publishTo(this.#deadLetters.stagedRows);
    this.#warnings.publishTo(this.#warnings.stagedRows);
  }

  #keepRejected(rejection: StagedRejection, origin: BatchOrigin): void {
    const { index, code, path, messageId, text } = rejection;
    const row = this.#deadLetters.beginRow(UTF8_BYTES_PER_UNIT * text.length);
    row.setU64(DEAD_LETTERS.sequence, origin.sequence + index);
    row.setTimestamp(DEAD_LETTERS.receivedAt, origin.receivedAtMicros);
    row.setDictionary(DEAD_LETTERS.source, origin.sourceName);
    row.setDictionary(DEAD_LETTERS.code, code);
    row.setDictionary(DEAD_LETTERS.path, path);
    if (messageId !== null) row.setUtf8(DEAD_LETTERS.messageId, messageId);
    row.setJson(DEAD_LETTERS.payload, text);
    row.endRow();
  }

  #warn(warning: StagedWarning, origin: BatchOrigin): void {
    const { index, code, path, messageId } = warning;
    const row = this.#warnings.beginRow(UTF8_BYTES_PER_UNIT * (messageId?.length ?? 0));
    row.setU64(WARNINGS.sequence, origin.sequence + index);
    row.setTimestamp(WARNINGS.receivedAt, origin.receivedAtMicros);
    row.setDictionary(WARNINGS.source, origin.sourceName);
    row.setDictionary(WARNINGS.code, code);
    row.setDictionary(WARNINGS.path, path);
    if (messageId !== null) row.setUtf8(WARNINGS.messageId, messageId);
    row.endRow();
  }
}
