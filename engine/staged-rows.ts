/**
 * What the stager says of a batch: its rows in the unpublished tail of the active segment, and what was
 * noted about single events. Read from the words of stager.h's results.
 */
import type { SegmentFile } from '../storage/segment-file.ts';
import { readText } from '../storage/segment-text.ts';
import { fieldName, isWarning, rejectionCode, warningCode } from './decode-codes.ts';
import { EVENT_TYPES, type Rejection, type WarningCode } from './types.ts';

export interface StagedRows {
  readonly segment: SegmentFile;
  /** First row in the segment. */
  readonly row: number;
  readonly count: number;
  /** Of the first event; the others follow. */
  readonly sequence: number;
  readonly receivedAtMicros: number;
  readonly sourceName: string;
  /** Events that were sent before; their rows are hidden. */
  readonly duplicates: number;
  readonly rejections: readonly StagedRejection[];
  /** Altered events, and duplicates that differ from what was sent first. */
  readonly warnings: readonly StagedWarning[];
  /** What identity found in the rows, as the identifier index writes it. */
  readonly nodes: Uint32Array;
  /** Nodes there are once these rows count. */
  readonly nodeCount: number;
  /** In the rows, each as often as it stands there. */
  readonly identifiers: number;
}

/** A rejection and what was rejected. */
export interface StagedRejection extends Rejection {
  /** The event as it was sent, but for half surrogate pairs: a JSON value. */
  readonly text: string;
}

/** An accepted event that was altered, or a duplicate that was dropped although it differs. */
export interface StagedWarning {
  readonly index: number;
  readonly code: WarningCode;
  readonly path: string;
  readonly messageId: string | null;
}

/** Positions in a result of stager.h. */
export const RESULT = {
  outcome: 0,
  failure: 1,
  claim: 1,
  row: 1,
  count: 2,
  duplicates: 3,
  notes: 4,
  differing: 5,
  nodeCount: 6,
  identifiers: 7,
  nodeWords: 8,
  headerWords: 9,
} as const;
/** StagerOutcome of stager.h. */
export const OUTCOME = { staged: 1, refused: 2, placed: 3, segmentFull: 4, roomNeeded: 5 } as const;
/** Words of one note: index, code, field, and offset and length in the texts. */
export const NOTE_WORDS = 5;

const MESSAGE_ID_COLUMN = 'message_id';
/** A credential is not data: rejected events are kept as they were sent, but for it. */
const WRITE_KEY = /"writeKey"\s*:\s*"(?:[^"\\]|\\.)*"/g;
const NONE: readonly never[] = Object.freeze([]);

/** What stands behind the words of a result. */
export interface StagedOrigin {
  readonly segment: SegmentFile;
  readonly sequence: number;
  readonly receivedAtMicros: number;
  readonly sourceName: string;
  /** Position in EVENT_TYPES of the type the path named, or its length for none. */
  readonly typeOfPath: number;
  /** What the notes stand on; empty without notes. */
  readonly texts: Buffer;
}

/** Reads a result of outcome `staged` at `words[at…]`. The rows keep a view of `words`. */
export function readStagedRows(words: Uint32Array, at: number, origin: StagedOrigin): StagedRows {
  const { segment, sequence, receivedAtMicros, sourceName } = origin;
  const nodesAt = at + RESULT.headerWords;
  const nodesEnd = nodesAt + words[at + RESULT.nodeWords]!;
  const hasNotes = words[at + RESULT.notes]! + words[at + RESULT.differing]! > 0;
  const { rejections, warnings } = hasNotes
    ? readNotes(words, at, nodesEnd, origin)
    : { rejections: NONE, warnings: NONE };
  return {
    segment,
    row: words[at + RESULT.row]!,
    count: words[at + RESULT.count]!,
    sequence,
    receivedAtMicros,
    sourceName,
    duplicates: words[at + RESULT.duplicates]!,
    rejections,
    warnings,
    nodes: words.subarray(nodesAt, nodesEnd),
    nodeCount: words[at + RESULT.nodeCount]!,
    identifiers: words[at + RESULT.identifiers]!,
  };
}

function readNotes(
  words: Uint32Array,
  at: number,
  notesAt: number,
  origin: StagedOrigin,
): Pick<StagedRows, 'rejections' | 'warnings'> {
  const { segment, sequence, typeOfPath, texts } = origin;
  const row = words[at + RESULT.row]!;
  const notesEnd = notesAt + words[at + RESULT.notes]! * NOTE_WORDS;
  const messageIdOf = (index: number) => readText(segment, MESSAGE_ID_COLUMN, row + index);
  const rejections: StagedRejection[] = [];
  const warnings: StagedWarning[] = [];
  for (let note = notesAt; note < notesEnd; note += NOTE_WORDS) {
    const index = words[note]!;
    const code = words[note + 1]!;
    const path = fieldName(words[note + 2]!);
    const messageId = messageIdOf(index);
    if (isWarning(code)) {
      warnings.push({ index, code: warningCode(code), path, messageId });
      continue;
    }
    const start = words[note + 3]!;
    const text = texts.toString('utf8', start, start + words[note + 4]!);
    rejections.push({
      index,
      code: rejectionCode(code),
      path,
      // An id the decoder made up means nothing to the client.
      messageId: messageId === `seq-${sequence + index}` ? null : messageId,
      text: withType(text.replace(WRITE_KEY, '"writeKey":""'), typeOfPath),
    });
  }
  const differingEnd = notesEnd + words[at + RESULT.differing]!;
  for (const index of words.subarray(notesEnd, differingEnd)) {
    warnings.push({ index, code: 'duplicate_differs', path: '', messageId: messageIdOf(index) });
  }
  return { rejections, warnings };
}

/** The event with the type that its path said: kept without it, it could not be sent again. */
function withType(text: string, typeOfPath: number): string {
  const type = EVENT_TYPES[typeOfPath];
  if (type === undefined || !text.startsWith('{')) return text;
  const { type: own } = JSON.parse(text) as { readonly type?: unknown };
  if (own === type) return text;
  const members = text.slice(1, text.lastIndexOf('}')).trimEnd();
  return `{${members}${members === '' ? '' : ','}"type":"${type}"}`;
}
