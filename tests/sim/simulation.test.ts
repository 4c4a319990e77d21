/**
 * A smoke run of the simulation, and the proof that it would notice: what is broken on purpose is found out, and a
 * seed is the same run every time. `npm run sim -- --seeds 10000` is the long run.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { temporaryHotDirectory } from '../support/hot-fixture.ts';
import { SABOTAGE, type Sabotage } from './sabotage.ts';
import { Simulation } from './simulation.ts';
import { Tally } from './tally.ts';

const SEEDS = 6;
/** Of their crash points. */
const JUDGED_SHARE = 0.05;
/** Seeds that may look sound nevertheless. */
const CANARY_SEEDS_MAX = 60;
/** What lives and restores show is enough. */
const CANARY_JUDGED_SHARE = 0;

describe('the simulation', () => {
  it('finds nothing wrong with the write path, whatever happens to the disk', async (context) => {
    const tally = new Tally();
    const hotDirectory = temporaryHotDirectory(context);
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      await Simulation.run({ seed, hotDirectory, tally, judgedShare: JUDGED_SHARE });
    }
    context.diagnostic(tally.describe());
    assert.deepEqual(tally.violations, []);
  });

  it('is the same run for the same seed', async (context) => {
    const hotDirectory = temporaryHotDirectory(context);
    const cut = { livesMax: 2, batchesMax: 4, judgedShare: JUDGED_SHARE };
    const digest = (seed: number): Promise<string> =>
      Simulation.run({ ...cut, seed, hotDirectory, tally: new Tally() });
    const first = await digest(5);
    assert.equal(await digest(5), first);
    assert.notEqual(await digest(6), first);
  });

  for (const [mistake, sabotage] of Object.entries(SABOTAGE)) {
    it(`notices ${mistake}`, async (context) => {
      assert.notEqual(await firstViolation(context, sabotage), undefined);
    });
  }
});

/** What is found wrong with the first seed that shows anything. */
async function firstViolation(
  context: TestContext,
  sabotage: Sabotage,
): Promise<string | undefined> {
  const hotDirectory = temporaryHotDirectory(context);
  const tally = new Tally();
  for (let seed = 1; seed <= CANARY_SEEDS_MAX; seed += 1) {
    await Simulation.run({ seed, hotDirectory, tally, sabotage, judgedShare: CANARY_JUDGED_SHARE });
    const [found] = tally.violations;
    if (found !== undefined) {
      context.diagnostic(`seed ${seed}: ${found.what}`);
      return found.what;
    }
  }
  return undefined;
}
