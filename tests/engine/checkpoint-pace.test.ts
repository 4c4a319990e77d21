/** When checkpoints are begun, and at what priority, with processes and a log that a script drives. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { TributaryError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { TENANT_CAPACITIES } from '../../engine/capacities.ts';
import type { CheckpointAnswer } from '../../engine/checkpoint-order.ts';
import { Checkpointer } from '../../engine/checkpointer.ts';
import { temporaryDirectory } from '../support/hot-fixture.ts';

/** What makes a checkpoint due. */
const LOG_BYTES = 1000;

interface ScriptedRun {
  readonly sequence: number;
  readonly niceness: number;
  /** Whether it was ended before it had an answer. */
  isEnded: boolean;
  /** It made a checkpoint of so many bytes. */
  succeed(bytes?: number): Promise<void>;
  fail(): Promise<void>;
}

interface Site {
  readonly checkpointer: Checkpointer;
  readonly runs: ScriptedRun[];
  /** The log grows, and all of it is flushed. */
  log(bytes: number): void;
}

function open(context: TestContext): Site {
  const runs: ScriptedRun[] = [];
  let logged = 0;
  let nowMs = 0;
  const checkpointer = new Checkpointer({
    order: {
      tenantId: 'tenant',
      sources: [],
      secretFile: '/secret',
      walDirectory: '/wal',
      checkpointDirectory: '/checkpoints',
      hotDirectory: `${temporaryDirectory(context)}/hot`,
      capacities: TENANT_CAPACITIES,
      acceptDataLoss: false,
    },
    stateBytes: () => 0,
    trim: async () => 0,
    logBytes: LOG_BYTES,
    loggedBytes: () => logged,
    flushedSequence: () => logged,
    clock: { nowMicros: () => nowMs * 1000, monotonicMs: () => nowMs++ },
    logger: silentLogger,
    startProcess({ sequence }, niceness) {
      let resolve: (answer: CheckpointAnswer) => void = () => {};
      let reject: (error: Error) => void = () => {};
      const answer = new Promise<CheckpointAnswer>((onAnswer, onError) => {
        resolve = onAnswer;
        reject = onError;
      });
      const ended = new TributaryError('TRIBUTARY_ENGINE_CHECKPOINT_FAILED', { reason: 'SIGKILL' });
      const run: ScriptedRun = {
        sequence,
        niceness,
        isEnded: false,
        async succeed(bytes = 100) {
          resolve({ nextSequence: sequence + 1, bytes, events: sequence });
          await turn();
        },
        async fail() {
          reject(ended);
          await turn();
        },
      };
      runs.push(run);
      const end = (): void => {
        run.isEnded = true;
        reject(ended);
      };
      return { processId: undefined, answer, end };
    },
  });
  context.after(() => checkpointer.close());
  return { checkpointer, runs, log: (bytes) => (logged += bytes) };
}

async function poll({ checkpointer }: Site): Promise<void> {
  checkpointer.poll();
  await turn();
}

/** Log by log, until a checkpoint was overtaken and begun again. */
async function overtake(site: Site): Promise<ScriptedRun> {
  site.log(LOG_BYTES);
  await poll(site);
  site.log(LOG_BYTES);
  await poll(site);
  return site.runs.at(-1)!;
}

test('a checkpoint is due when the log has grown, and has the lowest priority', async (context) => {
  const site = open(context);
  site.log(LOG_BYTES - 1);
  await poll(site);
  assert.equal(site.runs.length, 0);
  site.log(1);
  await poll(site);
  assert.deepEqual(
    site.runs.map(({ niceness }) => niceness),
    [19],
  );
  await site.runs[0]!.succeed();
  assert.equal(site.checkpointer.checkpointing, undefined);
  await poll(site);
  assert.equal(site.runs.length, 1);
});

test('a checkpoint that the log overtakes is begun again at full priority, of all that is flushed by then', async (context) => {
  const site = open(context);
  site.log(LOG_BYTES);
  await poll(site);
  site.log(LOG_BYTES - 1);
  await poll(site);
  assert.equal(site.runs[0]!.isEnded, false, 'not yet');
  site.log(1);
  await poll(site);
  assert.equal(site.runs[0]!.isEnded, true);
  const [, again] = site.runs;
  assert.deepEqual([again!.niceness, again!.sequence], [0, 2 * LOG_BYTES]);
  site.log(10 * LOG_BYTES);
  await poll(site);
  assert.equal(again!.isEnded, false, 'one at full priority is left to go on');
  await again!.succeed();
  const { checkpoints, overtaken, failures } = site.checkpointer.statistics;
  assert.deepEqual([checkpoints, overtaken, failures], [1, 1, 0]);
});

test('while the load goes on the next ones are hurried from the start, and no longer', async (context) => {
  const site = open(context);
  const first = await overtake(site);
  site.log(LOG_BYTES);
  await first.succeed();
  await poll(site);
  const second = site.runs.at(-1)!;
  assert.equal(second.niceness, 0);
  site.log(LOG_BYTES / 8);
  await second.succeed();
  site.log(LOG_BYTES);
  await poll(site);
  const third = site.runs.at(-1)!;
  assert.equal(third.niceness, 0, 'an eighth is load still');
  site.log(LOG_BYTES / 8 - 1);
  await third.succeed();
  site.log(LOG_BYTES);
  await poll(site);
  assert.equal(site.runs.length, 5);
  assert.equal(site.runs.at(-1)!.niceness, 19, 'the load has let up');
});

test('what is overtaken is measured by twice the size of the last checkpoint where that is more', async (context) => {
  const site = open(context);
  site.log(LOG_BYTES);
  await poll(site);
  await site.runs[0]!.succeed(1.5 * LOG_BYTES);
  site.log(3 * LOG_BYTES - 1);
  await poll(site);
  assert.equal(site.runs.length, 1);
  site.log(1);
  await poll(site);
  assert.equal(site.runs.length, 2);
  site.log(3 * LOG_BYTES - 1);
  await poll(site);
  assert.equal(site.runs[1]!.isEnded, false);
  site.log(1);
  await poll(site);
  assert.equal(site.runs[1]!.isEnded, true);
});

test('a checkpoint that fails by itself is not begun again at once', async (context) => {
  const site = open(context);
  site.log(LOG_BYTES);
  await poll(site);
  await site.runs[0]!.fail();
  await poll(site);
  const { failures, overtaken } = site.checkpointer.statistics;
  assert.deepEqual([site.runs.length, failures, overtaken], [1, 1, 0]);
});

test('one that was overtaken is not begun again while the checkpointer closes', async (context) => {
  const site = open(context);
  site.log(LOG_BYTES);
  await poll(site);
  site.log(LOG_BYTES);
  site.checkpointer.poll();
  await site.checkpointer.close();
  assert.equal(site.runs.length, 1);
});
