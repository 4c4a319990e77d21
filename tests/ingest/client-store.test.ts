import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'undici';
import { FileBatchStore } from '../../ingest/client/file-store.ts';
import { type StreamError, type StreamEvent, TributaryStream } from '../../ingest/client/index.ts';
import { openFrontDoor, WRITE_KEY } from '../support/front-door.ts';

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tributary-store-'));
  try {
    await run(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const frame = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const STORE_MODULE = new URL('../../ingest/client/file-store.js', import.meta.url).href;
const NOBODY = 'ws://127.0.0.1:1/v1/stream';

test('a store that was never used has no stream', () =>
  withDirectory(async (directory) => {
    assert.equal(await new FileBatchStore(join(directory, 'new', 'one')).open(), undefined);
  }));

test('a directory that cannot be made fails the opening', { timeout: 10_000 }, async () => {
  // Node's own recursive mkdir tries the first one for ever.
  for (const path of ['/proc/tributary/new', '/proc/self/status', '/proc/self/status/new']) {
    await assert.rejects(new FileBatchStore(path).open(), /ENOENT|ENOTDIR/, path);
  }
});

test('what is not released is there again, in order, under the name of its stream', () =>
  withDirectory(async (directory) => {
    const store = new FileBatchStore(directory);
    await store.open();
    for (const id of [0, 1, 2, 10]) await store.append('s-1', { id, frame: frame(`batch ${id}`) });
    await store.releaseThrough(0);
    await store.releaseThrough(1);
    await store.close();
    assert.deepEqual(await new FileBatchStore(directory).open(), {
      name: 's-1',
      batches: [
        { id: 2, frame: frame('batch 2') },
        { id: 10, frame: frame('batch 10') },
      ],
    });
    const again = new FileBatchStore(directory);
    await again.open();
    await again.releaseThrough(10);
    assert.equal(await new FileBatchStore(directory).open(), undefined);
    assert.deepEqual(readdirSync(directory), []);
  }));

test('a batch that was being written when the process ended is dropped, for it was not promised', () =>
  withDirectory(async (directory) => {
    writeFileSync(join(directory, 's.0000000003.batch.partial'), 'TRB1');
    assert.equal(await new FileBatchStore(directory).open(), undefined);
    assert.deepEqual(readdirSync(directory), []);
  }));

test('a damaged batch fails the start with its name', () =>
  withDirectory(async (directory) => {
    const store = new FileBatchStore(directory);
    await store.open();
    await store.append('s', { id: 0, frame: frame('whole') });
    const [name] = readdirSync(directory);
    const bytes = readFileSync(join(directory, name!));
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(join(directory, name!), bytes);
    await assert.rejects(new FileBatchStore(directory).open(), new RegExp(`${name} .* damaged`));
    const opening = TributaryStream.open({
      url: NOBODY,
      writeKey: WRITE_KEY,
      WebSocket,
      store: new FileBatchStore(directory),
    });
    const isStoreFailure = ({ code }: StreamError): boolean => code === 'STREAM_STORE_FAILED';
    await assert.rejects(opening, isStoreFailure);
  }));

test('a batch that a full disk takes in part is refused, and leaves no part behind', () =>
  withDirectory(async (directory) => {
    // A short write came back as a whole one, and the file was damaged when it was opened again.
    const script = `
      import { FileBatchStore } from ${JSON.stringify(STORE_MODULE)};
      const store = new FileBatchStore(${JSON.stringify(directory)});
      await store.open();
      await store.append('s', { id: 0, frame: new Uint8Array(1000) });
      await store.append('s', { id: 1, frame: new Uint8Array(100_000) }).catch(({ code }) => console.log(code));`;
    // A limit on the size of a file, 8 blocks, ends a write in its middle as a full disk does.
    const limited = `ulimit -f 8 && exec "$0" --input-type=module -e "$1"`;
    const { stdout } = spawnSync('sh', ['-c', limited, process.execPath, script]);
    assert.equal(String(stdout), 'EFBIG\n');
    assert.deepEqual(readdirSync(directory), ['s.0000000000.batch']);
    const stored = await new FileBatchStore(directory).open();
    assert.deepEqual(
      stored!.batches.map(({ id }) => id),
      [0],
    );
  }));

test('a stream that goes on without its last batch does not use that id again', () =>
  withDirectory(async (directory) => {
    // The appliance had batch 1 before its file was damaged: under its id new events would pass for the old ones.
    const door = await openFrontDoor();
    try {
      const url = `ws://127.0.0.1:${door.server.port}/v1/stream`;
      const batchOf = (userId: string): string =>
        JSON.stringify({ batch: [{ type: 'track', event: 'Seen', userId, messageId: userId }] });
      const head = Buffer.from([1, 0, 0, 0, 0]);
      const store = new FileBatchStore(directory);
      for (const id of [0, 1]) {
        head.writeUInt32LE(id, 1);
        const bytes = Buffer.concat([head, Buffer.from(batchOf(`u${id}`))]);
        await store.append('s-1', { id, frame: new Uint8Array(bytes) });
      }
      const settings = { url, writeKey: WRITE_KEY, WebSocket };
      const copies = readdirSync(directory).map((name) => ({
        name,
        bytes: readFileSync(join(directory, name)),
      }));
      const first = await TributaryStream.open({ ...settings, store });
      await first.flush();
      await first.close();
      // As a power cut would leave it, but for the file of the last batch.
      writeFileSync(join(directory, copies[0]!.name), copies[0]!.bytes);
      const second = await TributaryStream.open({
        ...settings,
        store: new FileBatchStore(directory),
      });
      await (await second.send({ type: 'track', event: 'Seen', userId: 'new' })).outcome;
      await second.flush();
      await second.close();
      const sent = door.writer.batches.map(({ bytes }) => Buffer.from(bytes).toString());
      assert.ok(sent.some((text) => text.includes('"userId":"new"')));
    } finally {
      door.server.close();
    }
  }));

test('two processes on one directory are found out before one writes over the other', () =>
  withDirectory(async (directory) => {
    const [one, other] = [new FileBatchStore(directory), new FileBatchStore(directory)];
    await one.open();
    await other.open();
    await one.append('s', { id: 0, frame: frame('one') });
    await assert.rejects(other.append('s', { id: 0, frame: frame('other') }), /EEXIST/);
  }));

test('events of a process that ended without an appliance are sent by the next one', () =>
  withDirectory(async (directory) => {
    const settings = { writeKey: WRITE_KEY, WebSocket, batchEventsMax: 2 };
    const first = await TributaryStream.open({
      ...settings,
      url: NOBODY,
      store: new FileBatchStore(directory),
    });
    const events = Array.from(
      { length: 5 },
      (_, index): StreamEvent => ({ type: 'track', event: 'Seen', userId: `u${index}` }),
    );
    const { outcome } = await first.send(events);
    await first.close(10);
    await assert.rejects(outcome);
    assert.equal(readdirSync(directory).length, 3);

    const door = await openFrontDoor();
    try {
      const url = `ws://127.0.0.1:${door.server.port}/v1/stream`;
      const ids: number[] = [];
      const second = await TributaryStream.open({
        ...settings,
        url,
        store: new FileBatchStore(directory),
        onBatch: ({ id }) => ids.push(id),
      });
      await (await second.send({ type: 'track', event: 'Seen', userId: 'u5' })).outcome;
      await second.close();
      assert.deepEqual(ids, [0, 1, 2, 1_000_003]);
      const users = door.writer.batches.flatMap(({ bytes }) => {
        const { batch } = JSON.parse(Buffer.from(bytes).toString()) as {
          batch: { userId: string }[];
        };
        return batch.map(({ userId }) => userId);
      });
      assert.deepEqual(users, ['u0', 'u1', 'u2', 'u3', 'u4', 'u5']);
      assert.deepEqual(readdirSync(directory), []);
    } finally {
      door.server.close();
    }
  }));

test('the client library imports nothing from outside its folder', () => {
  const folder = join('ingest', 'client');
  const outside = readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      return [...text.matchAll(/from '([^']+)'/g)].map((match) => `${name}: ${match[1]}`);
    })
    .filter((line) => !line.includes(': ./') && !line.startsWith('file-store.ts: node:'));
  assert.deepEqual(outside, []);
});
