/**
 * The real process on a disk that fails: strace makes the system calls of the log return an error, from
 * one moment on. The appliance must refuse writes with the named error, go on refusing when the disk is
 * well again (the kernel may have dropped what it could not write), answer queries all the while, and
 * have everything it acknowledged after a restart.
 *
 * Skipped where there is no strace, or where it may not attach to a process.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { ApplianceProcess } from '../support/appliance.ts';

const ATTACH_MS_MAX = 20_000;

describe('the appliance on a failing disk', { skip: reasonToSkip() }, () => {
  let appliance: ApplianceProcess;
  const acknowledged: string[] = [];
  before(async () => {
    appliance = await ApplianceProcess.start();
  });
  after(() => appliance.remove());

  /** @returns 200, or the code of the error it was answered with. */
  async function send(messageId: string): Promise<unknown> {
    const event = { event: 'Seen', userId: 'ann', messageId };
    const response = await appliance.send('/v1/track', event);
    const body = (await response.json()) as { readonly error?: { readonly code: string } };
    if (!response.ok) return body.error?.code;
    acknowledged.push(messageId);
    return 200;
  }

  async function storedIds(): Promise<unknown[]> {
    const { rows } = await appliance.sql('SELECT message_id FROM events ORDER BY sequence');
    return rows.map(([id]) => id);
  }

  for (const [calls, error] of [
    ['fdatasync', 'EIO'],
    ['pwrite64,pwritev', 'ENOSPC'],
  ] as const) {
    it(`refuses writes from the first ${error} of ${calls} to the restart, and loses nothing`, async () => {
      const name = `${calls} ${error}`;
      assert.equal(await send(`${name} before`), 200);
      const tracer = await inject(appliance.processId, calls, error);
      assert.equal(await send(`${name} failing`), 'TRIBUTARY_ENGINE_POISONED');
      await detach(tracer);
      assert.equal(await send(`${name} well again`), 'TRIBUTARY_ENGINE_POISONED');
      assert.deepEqual(await storedIds(), acknowledged, 'what was acknowledged is still served');
      await appliance.stop();
      await appliance.restart();
      // A batch whose sync failed was not acknowledged, and may yet have reached the disk.
      const found = await storedIds();
      const unsure = found.filter((id) => !acknowledged.includes(id as string));
      assert.deepEqual(
        found.filter((id) => acknowledged.includes(id as string)),
        acknowledged,
      );
      assert.ok(unsure.every((id) => id === `${name} failing`));
      acknowledged.splice(0, acknowledged.length, ...(found as string[]));
      assert.equal(await send(`${name} after`), 200);
    });
  }
});

/** Lets every such system call of the process fail from now on. */
function inject(processId: number, calls: string, error: string): Promise<ChildProcess> {
  const tracer = spawn(
    'strace',
    ['-f', '-p', `${processId}`, '-e', `trace=${calls}`, '-e', `inject=${calls}:error=${error}`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      tracer.kill();
      reject(new Error('strace did not attach'));
    }, ATTACH_MS_MAX);
    // `strace: Process 1 attached with 20 threads`: written when it has all of them.
    tracer.stderr.on('data', (bytes: Buffer) => {
      if (!bytes.includes('attached')) return;
      clearTimeout(timer);
      resolve(tracer);
    });
  });
}

function detach(tracer: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    tracer.once('close', () => resolve());
    tracer.kill();
  });
}

function reasonToSkip(): string | false {
  const { error, status } = spawnSync('strace', ['-o', '/dev/null', 'true']);
  if (error !== undefined) return 'strace is not installed';
  return status === 0 ? false : 'strace may not trace here';
}
