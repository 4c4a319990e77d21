/** The log on the machine's own disk, through the cache and past it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { native } from '../../native/index.ts';
import { crc32c } from '../../storage/crc32c.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import { readWal } from '../../storage/wal-reader.ts';
import { WalWriter } from '../../storage/wal-writer.ts';
import { TENANT_ID } from './wal-harness.ts';

for (const [name, fileSystem, checksum] of [
  ['through the page cache', new NodeFileSystem(), crc32c],
  ['past the page cache', new NodeFileSystem(native), native.crc32c],
] as const) {
  it(`records written ${name} come back over two lives`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tributary-wal-'));
    const place = { fileSystem, directory, tenantId: TENANT_ID, crc32c: checksum };
    const expected: string[] = [];
    try {
      for (let life = 0; life < 2; life += 1) {
        const seen: string[] = [];
        const recovery = await readWal({ ...place, fromSequence: 1 }, (record) => {
          const { buffer, payloadOffset, length, sequence } = record;
          seen.push(`${sequence} ${length} ${buffer[payloadOffset]}`);
        });
        assert.deepEqual(seen, expected);
        let durable = 0;
        const writer = await WalWriter.open<number>({
          ...place,
          clock: systemClock,
          random: systemRandom,
          recovery,
          fileBytesMax: 1024 * 1024,
          onGroupDurable: (contexts) => {
            durable += contexts.length;
          },
          onPoisoned: (error) => assert.fail(error),
        });
        for (let count = 0; count < 100; count += 1) {
          const sequence = writer.nextSequence;
          const length = (sequence * 997) % 70_000;
          assert.ok(writer.promise(length));
          // An empty payload shows the byte of padding behind it.
          expected.push(`${sequence} ${length} ${length === 0 ? 0 : sequence % 256}`);
          writer.commitRecord(
            {
              length,
              sequence,
              receivedAtMicros: systemClock.nowMicros(),
              type: 1,
              codec: 1,
              source: 0,
              eventCount: 1,
              defaultType: 0,
              hasSender: false,
            },
            new Uint8Array(length).fill(sequence % 256),
            sequence,
          );
          if (count % 10 === 9) await writer.synced();
        }
        await writer.close();
        assert.equal(durable, 100);
        assert.ok(writer.statistics.files > 1);
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });
}
