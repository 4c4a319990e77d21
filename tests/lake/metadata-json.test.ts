import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { EVENTS_TABLE } from '../../storage/lake/lake-tables.ts';
import { formatTableMetadata, parseTableMetadata } from '../../storage/lake/metadata-json.ts';
import { nextMetadata } from '../../storage/lake/metadata-updates.ts';
import { newTableMetadata, type SnapshotJson } from '../../storage/lake/table-metadata.ts';

const LOCATION = 's3://lake/acme/events-00000000';
const UUID = '3f2c1a60-0000-4000-8000-000000000000';
const empty = newTableMetadata(EVENTS_TABLE, LOCATION, UUID, 1_800_000_000_000);

/** As Java writers give out: beyond what a JavaScript number holds. */
const JAVA_ID = 7_638_211_907_754_301_011n;

function withSnapshot(snapshotId: bigint) {
  const snapshot: SnapshotJson = {
    'snapshot-id': snapshotId,
    'parent-snapshot-id': 5n,
    'sequence-number': 1,
    'timestamp-ms': 1_800_000_000_001,
    'manifest-list': `${LOCATION}/metadata/snap.avro`,
    'schema-id': 0,
    summary: { operation: 'append', 'tributary.note': '12345678901234567890n' },
  };
  const next = { nowMs: 1_800_000_000_002, previousLocation: `${LOCATION}/v1`, versionsMax: 2 };
  return nextMetadata(empty, [{ action: 'add-snapshot', snapshot }], next);
}

describe('table metadata as JSON', () => {
  it('is read back as it was written, ids to the last digit', () => {
    for (const metadata of [empty, withSnapshot(JAVA_ID), withSnapshot(7n)]) {
      const text = formatTableMetadata(metadata);
      assert.deepEqual(parseTableMetadata(text, LOCATION), metadata);
    }
    assert.match(
      formatTableMetadata(withSnapshot(JAVA_ID)),
      /"snapshot-id":7638211907754301011[,}]/,
    );
  });

  it('keeps what another version of the format adds', () => {
    const text = formatTableMetadata({ ...empty, 'next-row-id': 3 } as typeof empty);
    assert.equal(formatTableMetadata(parseTableMetadata(text, LOCATION)), text);
  });

  it('with any character changed before its checksum is refused', () => {
    const text = formatTableMetadata(withSnapshot(JAVA_ID));
    const end = text.indexOf(',"tributary-crc32c');
    for (let position = 0; position < end; position += 1) {
      const other = text[position] === '7' ? '8' : '7';
      const damaged = text.slice(0, position) + other + text.slice(position + 1);
      assert.throws(() => parseTableMetadata(damaged, LOCATION), TributaryError, damaged);
    }
  });

  it('that is damaged is refused with the place and the reason', () => {
    const damages: readonly [RegExp | string, string, RegExp][] = [
      [/^\{/, '', /is not JSON/],
      ['"format-version":2', '"format-version":3', /format version is not 2/],
      ['"type":"timestamptz"', '"type":"geometry"', /type of column timestamp/],
      ['"required":false', '"required":true', /column sequence is not optional/],
      ['"transform":"day"', '"transform":"bucket[4]"', /partition is not by day/],
      ['"current-schema-id":0', '"current-schema-id":9', /current schema is missing/],
      [`"current-snapshot-id":${JAVA_ID}`, '"current-snapshot-id":8', /snapshot is missing/],
      ['"last-sequence-number":1', '"last-sequence-number":-1', /last-sequence-number is negative/],
      ['"last-sequence-number":1', '"last-sequence-number":"1"', /is no whole number/],
      ['"manifest-list":"', '"manifests":"', /manifest-list is no string/],
      ['"operation":"append"', '"operation":1', /summary holds something else/],
      ['"type":"branch"', '"type":"twig"', /main is no branch/],
    ];
    // Without the checksum, which would be wrong each time.
    const text = formatTableMetadata(withSnapshot(JAVA_ID)).replace(/,"tributary-crc32c.*$/, '}');
    for (const [found, replacement, reason] of damages) {
      const damaged = text.replace(found, replacement);
      assert.notEqual(damaged, text, String(found));
      assert.throws(
        () => parseTableMetadata(damaged, LOCATION),
        (error) =>
          error instanceof TributaryError &&
          error.code === 'TRIBUTARY_LAKE_METADATA_MALFORMED' &&
          reason.test(error.message),
        String(reason),
      );
    }
    for (const other of ['', '[]', 'null', '1', '{}', text.slice(0, -1)]) {
      assert.throws(() => parseTableMetadata(other, LOCATION), TributaryError);
    }
  });
});
