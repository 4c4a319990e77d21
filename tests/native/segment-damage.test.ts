/** Files that do not hold together are an error of the statement that reads them. */
import assert from 'node:assert/strict';
import { closeSync, openSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import { native } from '../../native/index.ts';
import type { HotTable } from '../../storage/hot-table.ts';
import {
  COLUMN_DESCRIPTOR,
  descriptorOffset,
  REGISTRY_FILE,
  SEGMENT_HEADER,
} from '../../storage/segment-format.ts';
import {
  ALL_TYPES,
  COLUMN,
  type HotFixture,
  openDuckDb,
  openHotFixture,
  rowsOf,
} from './scan-harness.ts';

describe('damaged hot files', () => {
  let duckdb: DuckDBConnection;
  let fixture: HotFixture;
  let table: HotTable;

  before(async () => {
    duckdb = await openDuckDb();
  });
  beforeEach(() => {
    fixture = openHotFixture();
    table = fixture.table(ALL_TYPES, 100);
    for (let index = 0; index < 10; index += 1) {
      const row = table.beginRow(64);
      row.setUtf8(COLUMN.text, `text of row ${index}, not inlined`);
      row.setDictionary(COLUMN.kind, `kind of row ${index}`);
      row.endRow();
    }
    table.publishTo(10);
  });
  afterEach(() => fixture.close());
  after(() => duckdb.closeSync());

  function overwrite(offset: number, bytes: readonly number[]): void {
    const file = openSync(table.activeSegment.path, 'r+');
    writeSync(file, Uint8Array.from(bytes), 0, bytes.length, offset);
    closeSync(file);
  }
  const scan = () => rowsOf(duckdb, `SELECT text, kind FROM hot_scan('samples')`);
  const text = descriptorOffset(COLUMN.text);
  const kind = descriptorOffset(COLUMN.kind);
  const FAR = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];

  const headers: [string, number, readonly number[]][] = [
    ['the magic', SEGMENT_HEADER.magic, [0x58]],
    ['the version', SEGMENT_HEADER.formatVersion, [9]],
    ['the row capacity', SEGMENT_HEADER.rowCapacity, [0xff, 0xff, 0xff, 0xff]],
    ['a row capacity of 0', SEGMENT_HEADER.rowCapacity, [0, 0, 0, 0]],
    ['the column count', SEGMENT_HEADER.columnCount, [0xff, 0xff, 0xff, 0xff]],
    ['the mask', SEGMENT_HEADER.maskOffset, FAR],
    ['a type', text + COLUMN_DESCRIPTOR.type, [200]],
    ['a bitmap', text + COLUMN_DESCRIPTOR.validityOffset, FAR],
    ['values', text + COLUMN_DESCRIPTOR.valuesOffset, FAR],
    ['values that are not aligned', text + COLUMN_DESCRIPTOR.valuesOffset, [1]],
    ['a heap', text + COLUMN_DESCRIPTOR.heapOffset, FAR],
    ['a heap capacity', text + COLUMN_DESCRIPTOR.heapCapacity, FAR],
    ['a dictionary', kind + COLUMN_DESCRIPTOR.dictionaryOffset, FAR],
    [
      'a dictionary capacity',
      kind + COLUMN_DESCRIPTOR.dictionaryCapacity,
      [0xff, 0xff, 0xff, 0xff],
    ],
  ];
  for (const [what, offset, bytes] of headers) {
    it(`a segment with ${what} damaged is refused`, async () => {
      overwrite(offset, bytes);
      await assert.rejects(scan(), /hot segment samples-1\.seg/);
    });
  }

  it('a string offset, a code and an entry outside the file end the statement', async () => {
    const [textColumn, kindColumn] = [COLUMN.text, COLUMN.kind].map(
      (index) => table.plan.columns[index]!,
    );
    for (const offset of [
      textColumn!.valuesOffset + 12,
      kindColumn!.valuesOffset + 12,
      kindColumn!.dictionaryOffset + 12,
    ]) {
      const before = table.activeSegment.words[offset / 4]!;
      table.activeSegment.words[offset / 4] = 0xffff_fff0;
      await assert.rejects(scan(), /a hot segment is damaged/);
      table.activeSegment.words[offset / 4] = before;
    }
    assert.equal((await scan()).length, 10);
  });

  it('a row count beyond the capacity is cut to it', async () => {
    overwrite(SEGMENT_HEADER.stagedRows, [0xff, 0xff, 0xff, 0xff]);
    fixture.registry.publish(0, 2 ** 40);
    assert.equal((await rowsOf(duckdb, `SELECT sequence FROM hot_scan('samples')`)).length, 100);
  });

  it('a listed segment whose file is gone is an error after some tries', async () => {
    fixture.registry.addSegment(0, { segmentId: 77, firstRow: 10 });
    await assert.rejects(scan(), /listed but missing/);
  });

  it('a registry that is cut off, of another version or absent is not opened', () => {
    const path = join(fixture.directory, REGISTRY_FILE);
    const file = openSync(path, 'r+');
    writeSync(file, Uint8Array.of(9), 0, 1, 8);
    assert.match(native.openHotDirectory(fixture.directory), /another version/);
    closeSync(file);
    assert.match(native.openHotDirectory(join(fixture.directory, 'absent')), /cannot be mapped/);
    fixture.registry.close();
    truncateSync(path, 4096);
    assert.match(native.openHotDirectory(fixture.directory), /cut off/);
  });
});
