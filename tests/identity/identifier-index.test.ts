/** The native index against the plain list of what was put into it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { DirectRows } from '../../bench/direct-rows.ts';
import { identifierAt, populationBatches } from '../../bench/identity-population.ts';
import { IdentityGraph } from '../../identity/identity-graph.ts';
import type { StatePart, StateSource } from '../../storage/state-part.ts';

const PEOPLE = 60_000;
const PEOPLE_PER_BATCH = 1000;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tributary-index-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Each identifier of the first `people`, once, and no other. */
function assertKnown(identity: IdentityGraph, people: number, step: number): void {
  for (let number = 0; number < 5 * people; number += step) {
    const { type, value } = identifierAt(number);
    const profile = identity.profileOf(type, value);
    assert.notEqual(profile, 0, value);
    const owner = identifierAt(number - (number % 5));
    if (number % 5 !== 4) assert.equal(profile, identity.profileOf(owner.type, owner.value), value);
    assert.equal(identity.profileOf(type, `${value}?`), 0);
  }
}

function sourceOf(parts: readonly StatePart[]): StateSource {
  const find = (name: string): StatePart => parts.find((part) => part.name === name)!;
  return {
    has: (name) => parts.some((part) => part.name === name),
    bytesOf: (name) => find(name).bytes,
    async copy(name, write) {
      const { bytes, read } = find(name);
      const piece = new Uint8Array(100_000);
      for (let at = 0; at < bytes; at += piece.length) {
        const range = piece.subarray(0, Math.min(piece.length, bytes - at));
        read(at, range);
        write(at, range);
      }
    },
  };
}

test('every identifier is found while the table grows, and after a restore', async () => {
  const rows = new DirectRows(join(directory, 'live'));
  const edges = { append() {}, appendMerge() {} };
  const restored = new IdentityGraph({ directory, secret: Buffer.alloc(16, 7), edges });
  try {
    for (let people = 0; people < PEOPLE; people += PEOPLE_PER_BATCH) {
      for (const batch of populationBatches(people, PEOPLE_PER_BATCH)) rows.take(batch);
      assertKnown(rows.identity, people + PEOPLE_PER_BATCH, 997);
    }
    assert.equal(rows.identity.nodeCount, 5 * PEOPLE);
    assertKnown(rows.identity, PEOPLE, 7);
    const parts = rows.identity.state().map((part) => ({ ...part, read: part.read.bind(part) }));
    await restored.restore(sourceOf(parts));
    restored.publish();
    assert.equal(restored.nodeCount, 5 * PEOPLE);
    assertKnown(restored, PEOPLE, 13);
    assert.equal(restored.valueOf(7), rows.identity.valueOf(7));
    assert.equal(restored.typeOf(29), rows.identity.typeOf(29));
  } finally {
    restored.close();
    rows.close();
  }
});

test('a restore that finds a gap between values leaves an empty index', async () => {
  const rows = new DirectRows(join(directory, 'live'));
  const edges = { append() {}, appendMerge() {} };
  const restored = new IdentityGraph({ directory, secret: Buffer.alloc(16, 7), edges });
  try {
    for (const batch of populationBatches(0, 100)) rows.take(batch);
    const parts = rows.identity.state().map((part): StatePart => {
      const read = (offset: number, target: Uint8Array): void => {
        part.read(offset, target);
        if (part.name === 'node_values') target[64 * 3]! ^= 1;
      };
      return { ...part, read };
    });
    await assert.rejects(restored.restore(sourceOf(parts)), /lie one behind another/);
    assert.equal(restored.nodeCount, 0);
  } finally {
    restored.close();
    rows.close();
  }
});
