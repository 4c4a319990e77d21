/**
 * The rows of a record batch as events in JSON. docs/formats.md is the contract.
 *
 * - `properties`, `traits`, `context` and `integrations` are objects: of a struct, a map, or text that is
 *   JSON. Text that is not is passed on as text, and the row is rejected for it like any other.
 * - Every other column is a member of `properties`. Null is a member that is not there.
 */
import type { Data, RecordBatch } from '../storage/arrow.ts';
import { memberName, writerOf } from './arrow-json.ts';
import { fieldOf, OBJECT_FIELDS } from './event-fields.ts';
import type { JsonWriter } from './json-writer.ts';
import { type ObjectColumn, objectColumnOf } from './object-column.ts';

const COMMA = 0x2c;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

/** Writes one member of the event, unless it is null. @returns whether nothing is written so far. */
type WriteMember = (out: JsonWriter, row: number, isFirst: boolean) => boolean;

/** Writes one row as an event with this message id, before one that the row has itself. */
export type WriteEvent = (out: JsonWriter, row: number, messageId: string) => void;

/** @throws RangeError for columns that cannot be read. */
export function eventWriterOf(batch: RecordBatch): WriteEvent {
  const members: WriteMember[] = [];
  const unknown: WriteMember[] = [];
  let properties: ObjectColumn | undefined;
  batch.schema.fields.forEach(({ name }, index) => {
    const data = batch.data.children[index];
    if (data === undefined) throw new RangeError(`column ${name} has no values`);
    const field = fieldOf(name);
    if (field === undefined) unknown.push(memberWriter(name, data));
    else if (!OBJECT_FIELDS.has(field)) members.push(memberWriter(field, data));
    else if (field === 'properties') properties = objectColumnOf(data);
    else members.push(objectMember(field, objectColumnOf(data), []));
  });
  if (properties !== undefined || unknown.length > 0) {
    members.push(objectMember('properties', properties, unknown));
  }
  return (out, row, messageId) => {
    out.ascii(`{"messageId":"${messageId}"`);
    for (const write of members) write(out, row, false);
    out.byte(BRACE_CLOSE);
  };
}

function memberWriter(name: string, data: Data): WriteMember {
  const key = memberName(name);
  const writer = writerOf(data);
  return (out, row, isFirst) => {
    if (writer.isNull(row)) return isFirst;
    if (!isFirst) out.byte(COMMA);
    out.raw(key, 0, key.length);
    writer.write(out, row);
    return false;
  };
}

/** The members of a column, and of `unknown` behind them; no member at all where both say nothing. */
function objectMember(
  name: string,
  column: ObjectColumn | undefined,
  unknown: readonly WriteMember[],
): WriteMember {
  const key = memberName(name);
  return (out, row, isFirst) => {
    const isNull = column === undefined || column.isNull(row);
    if (isNull && unknown.length === 0) return isFirst;
    if (!isFirst) out.byte(COMMA);
    out.raw(key, 0, key.length);
    if (!isNull && !column.isObject(row)) {
      column.write(out, row);
      return false;
    }
    out.byte(BRACE_OPEN);
    let isEmpty = isNull || column.members(out, row, true);
    for (const write of unknown) isEmpty = write(out, row, isEmpty);
    out.byte(BRACE_CLOSE);
    return false;
  };
}
