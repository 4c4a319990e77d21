/**
 * The summary of a snapshot: Iceberg's counts as every engine shows them, and our own keys, among them
 * how far the log has come into the lake.
 *
 * - `tributary.commit-id` names the commit; `tributary.sequence` is the watermark.
 * - All keys of ours but the commit id are carried on from snapshot to snapshot until set anew, so that
 *   a compaction keeps what a flush has said.
 */
import { assert } from '../../base/assert.ts';
import type { DataFile } from './data-file.ts';
import type { LakeCommit, LakeOperation, LakeSnapshot } from './lake-table.ts';
import type { SnapshotJson } from './table-metadata.ts';

const OWN_KEYS = 'tributary.';
const COMMIT_ID = 'tributary.commit-id';
const SEQUENCE = 'tributary.sequence';

type Summary = Readonly<Record<string, string>>;

export function summarise(
  parent: Summary,
  commit: LakeCommit,
  removed: readonly DataFile[],
): Record<string, string> {
  const { operation, add, sequence = sequenceOf(parent), summary = {} } = commit;
  assert(sequence >= sequenceOf(parent), 'the watermark of a table never goes back');
  for (const key of Object.keys(summary)) {
    assert(
      key.startsWith(OWN_KEYS) && key !== COMMIT_ID && key !== SEQUENCE,
      'keys of a commit start with tributary. and are its own',
    );
  }
  const carried = Object.entries(parent).filter(([key]) => key.startsWith(OWN_KEYS));
  const added = totalsOf(add);
  const gone = totalsOf(removed);
  const total = (key: string, more: number, less: number) => ({
    [key]: String(Number(parent[key] ?? 0) + more - less),
  });
  return {
    operation,
    ...Object.fromEntries(carried),
    ...summary,
    [COMMIT_ID]: commit.commitId,
    ...(sequence < 0 ? {} : { [SEQUENCE]: String(sequence) }),
    'added-data-files': String(add.length),
    'added-records': String(added.records),
    'added-files-size': String(added.bytes),
    'deleted-data-files': String(removed.length),
    'deleted-records': String(gone.records),
    'removed-files-size': String(gone.bytes),
    'changed-partition-count': String(new Set([...add, ...removed].map(({ day }) => day)).size),
    ...total('total-records', added.records, gone.records),
    ...total('total-data-files', add.length, removed.length),
    ...total('total-files-size', added.bytes, gone.bytes),
    'total-delete-files': '0',
    'total-position-deletes': '0',
    'total-equality-deletes': '0',
  };
}

function totalsOf(files: readonly DataFile[]): { records: number; bytes: number } {
  return {
    records: files.reduce((sum, file) => sum + file.recordCount, 0),
    bytes: files.reduce((sum, file) => sum + file.fileBytes, 0),
  };
}

/** The watermark; -1 where none was set. */
function sequenceOf(summary: Summary): number {
  return Number(summary[SEQUENCE] ?? -1);
}

export function commitIdOf(snapshot: SnapshotJson): string | undefined {
  return snapshot.summary[COMMIT_ID];
}

export function toLakeSnapshot(snapshot: SnapshotJson): LakeSnapshot {
  const { summary } = snapshot;
  return {
    snapshotId: snapshot['snapshot-id'],
    parentId: snapshot['parent-snapshot-id'],
    committedAtMicros: snapshot['timestamp-ms'] * 1000,
    schemaId: snapshot['schema-id'],
    operation: summary['operation'] as LakeOperation,
    sequence: sequenceOf(summary),
    totalRecords: Number(summary['total-records'] ?? 0),
    totalFiles: Number(summary['total-data-files'] ?? 0),
    summary,
  };
}
