/** The format as C++ sees it, and as TypeScript sees it, number by number. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { LIMITS } from '../../base/limits.ts';
import { extensionPath } from '../../native/index.ts';
import {
  COLUMN_DESCRIPTOR,
  COLUMN_TYPE,
  FORMAT_VERSION,
  PAGE_BYTES,
  SEGMENT_HEADER,
  SEGMENT_MAGIC,
} from '../../storage/segment-format.ts';
import { ARRAY_HEADER, ARRAY_MAGIC } from '../../storage/shared-array.ts';
import {
  REGISTRY_BYTES,
  REGISTRY_HEADER,
  REGISTRY_MAGIC,
  REGISTRY_SEGMENT_BYTES,
  REGISTRY_TABLE,
} from '../../storage/table-registry.ts';

// build/Release lies two folders below native/, which holds src/.
const sources = join(dirname(extensionPath), '../../src');

it('the C++ header and the TypeScript constants describe the same bytes', () => {
  const structs: [string, Readonly<Record<string, number>>][] = [
    ['SegmentHeader', SEGMENT_HEADER],
    ['ColumnDescriptor', COLUMN_DESCRIPTOR],
    ['RegistryHeader', REGISTRY_HEADER],
    ['ArrayHeader', ARRAY_HEADER],
    ['RegistryTable', REGISTRY_TABLE],
  ];
  const expressions: [string, number][] = [
    ['kFormatVersion', FORMAT_VERSION],
    ['kPageBytes', PAGE_BYTES],
    ['kTablesMax', LIMITS.tablesMax],
    ['kTableSegmentsMax', LIMITS.tableSegmentsMax],
    ['kRegistryBytes', REGISTRY_BYTES],
    ['sizeof(RegistrySegment)', REGISTRY_SEGMENT_BYTES],
    [`memcmp(kSegmentMagic, ${JSON.stringify(SEGMENT_MAGIC.slice(0, 7))}, 8)`, 0],
    [`memcmp(kRegistryMagic, ${JSON.stringify(REGISTRY_MAGIC.slice(0, 7))}, 8)`, 0],
    [`memcmp(kArrayMagic, ${JSON.stringify(ARRAY_MAGIC.slice(0, 7))}, 8)`, 0],
    ...structs.flatMap(([struct, fields]) =>
      Object.entries(fields).map(([field, value]): [string, number] => [
        field === 'bytes' ? `sizeof(${struct})` : `offsetof(${struct}, ${snakeCase(field)})`,
        value,
      ]),
    ),
    ...Object.entries(COLUMN_TYPE).map(([type, value]): [string, number] => [
      `static_cast<int>(ColumnType::${CPP_TYPE[type] ?? ''})`,
      value,
    ]),
  ];
  const prints = expressions.map(([text]) => `printf("%llu\\n", (unsigned long long)(${text}));`);
  const program = `#include "segment_format.h"
    #include <cstdio>
    #include <cstring>
    using namespace tributary;
    int main() { ${prints.join('\n')} }`;

  const directory = mkdtempSync(join(tmpdir(), 'tributary-format-'));
  try {
    writeFileSync(join(directory, 'format.cc'), program);
    const binary = join(directory, 'format');
    execFileSync('g++', ['-std=c++17', `-I${sources}`, join(directory, 'format.cc'), '-o', binary]);
    const seen = execFileSync(binary, { encoding: 'utf8' }).trim().split('\n').map(Number);
    const compare = (values: readonly number[]) =>
      expressions.map(([text], index) => `${text} = ${values[index]}`);
    assert.deepEqual(compare(seen), compare(expressions.map(([, value]) => value)));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

const CPP_TYPE: Readonly<Record<string, string>> = {
  int64: 'kInt64',
  uint64: 'kUint64',
  uint32: 'kUint32',
  float64: 'kFloat64',
  timestamp: 'kTimestampMicros',
  utf8: 'kUtf8',
  json: 'kJson',
  dictionary: 'kDictionary',
};

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
