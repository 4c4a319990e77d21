/** Room on a volume that a test fills. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/log.ts';
import { MIB } from '../../base/units.ts';
import { DiskGovernor } from '../../engine/disk-governor.ts';
import { DiskReserve } from '../../storage/disk-reserve.ts';
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import { fileSystemError } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';

const RESERVE = 3 * MIB + 5;
const PATH = '/reserve';

function openGovernor() {
  const fileSystem = new MemoryFileSystem();
  const state = { freeBytes: 1000 * MIB, nowMs: 0, isBroken: false };
  const governor = new DiskGovernor({
    lowMarkBytes: 100 * MIB,
    highMarkBytes: 300 * MIB,
    reserve: new DiskReserve(fileSystem, PATH, RESERVE),
    reserveBytes: RESERVE,
    readFreeBytes: async () => {
      if (state.isBroken) throw fileSystemError('EIO', 'statfs', '/');
      return state.freeBytes;
    },
    clock: { nowMicros: () => 0, monotonicMs: () => state.nowMs },
    logger: silentLogger,
  });
  const look = async (freeBytes: number, seconds = 10): Promise<void> => {
    state.freeBytes = freeBytes;
    state.nowMs += seconds * 1000;
    await governor.look();
  };
  const reserved = async () => (await fileSystem.status(PATH))?.bytes;
  return { governor, look, reserved, state };
}

test('the time to full follows the rate, and is infinite while nothing vanishes', async () => {
  const { governor, look } = openGovernor();
  assert.equal(governor.secondsToFull, Number.POSITIVE_INFINITY);
  await look(1000 * MIB);
  assert.equal(governor.secondsToFull, Number.POSITIVE_INFINITY);
  let free = 10_000 * MIB;
  await look(free);
  for (let count = 0; count < 500; count += 1) {
    free -= 10 * MIB;
    await look(free); // 1 MiB a second
  }
  const expected = free / MIB - 100;
  assert.ok(Math.abs(governor.secondsToFull / expected - 1) < 0.01, `${governor.secondsToFull}`);
  await look(50 * MIB);
  assert.equal(governor.secondsToFull, 0, 'below the low mark');
  for (let count = 1; count <= 100; count += 1) await look(free + count * 20 * MIB, 60);
  assert.equal(governor.secondsToFull, Number.POSITIVE_INFINITY, 'room is being freed');
});

test('room is short below the high mark, and a look that fails changes nothing', async () => {
  const { governor, look, state } = openGovernor();
  assert.equal(governor.isShort, false, 'before the first look');
  await look(300 * MIB);
  assert.equal(governor.isShort, false);
  await look(300 * MIB - 1);
  assert.equal(governor.isShort, true);
  state.isBroken = true;
  await look(900 * MIB);
  assert.equal(governor.isShort, true);
  state.isBroken = false;
  await look(900 * MIB);
  assert.equal(governor.isShort, false);
});

test('the reserve is held while room is ample, and given back when less than it is free', async () => {
  const { look, reserved } = openGovernor();
  await look(300 * MIB + RESERVE - 1);
  assert.equal(await reserved(), undefined);
  await look(300 * MIB + RESERVE);
  assert.equal(await reserved(), RESERVE);
  await look(RESERVE);
  assert.equal(await reserved(), RESERVE, 'kept while room is short');
  await look(RESERVE - 1);
  assert.equal(await reserved(), undefined);
  await look(RESERVE);
  assert.equal(await reserved(), undefined, 'not taken while room is short');
  await look(1000 * MIB);
  assert.equal(await reserved(), RESERVE);
});

test('a reserve that finds no room, or was cut by a crash, leaves nothing half held', async () => {
  const memory = new MemoryFileSystem();
  const faults = new FaultFileSystem(memory, { writableBytes: 2 * MIB });
  const reserve = new DiskReserve(faults, PATH, RESERVE);
  await assert.rejects(reserve.hold(), { code: 'ENOSPC' });
  assert.equal(await memory.exists(PATH), false);
  const handle = await memory.open(PATH, 'create');
  await handle.write([new Uint8Array(7)], 0);
  await handle.close();
  await new DiskReserve(memory, PATH, RESERVE).hold();
  assert.equal((await memory.status(PATH))?.bytes, RESERVE);
});
