/**
 * One seed: a few lives of the appliance over one disk, each begun from a crash of the one before.
 *
 * Every crash image of a life is started and judged. Some of those starts are crashed themselves at one
 * of their syncs, and so are some of the starts that follow: a crash in the recovery from a crash in a
 * recovery. Some images decay before they are started: that must be noticed or do no harm.
 */
import { createHash } from 'node:crypto';
import { AssertionError } from '../../base/assert.ts';
import { TributaryError } from '../../base/errors.ts';
import { HOUR_MICROS } from '../../base/units.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { type Backup, putBack, RESTORED_DIRECTORY } from './backups.ts';
import { decay } from './decay.ts';
import { Dice } from './dice.ts';
import { type CrashImage, Life, type LifeOptions, type LifeReport, SYNC_POINTS } from './life.ts';
import type { Sabotage } from './sabotage.ts';
import type { Tally } from './tally.ts';
import { judge, start } from './verification.ts';
import { Witness } from './witness.ts';
import { Workload } from './workload.ts';

const LIVES_MAX = 3;
/** Of the lives that end, those over whose end the next one begins. */
const LAST_SHARE = 0.5;
const INITIAL_WINDOW_MICROS = 24 * HOUR_MICROS;
const WINDOWS_MICROS = [24, 24, 24, 72, 1].map((hours) => hours * HOUR_MICROS);
/** An operator's, in one life of the seeds that have one: without, the model knows whose everything is. */
const COMMANDS_MAX = 5;
const OPERATOR_SHARE = 0.4;
/** Of the seeds without: with one, the model does not know whose events are erased. */
const ERASURE_SHARE = 0.6;
const CHECKPOINT_SHARE = 0.5;
const BACKUP_SHARE = 0.4;
/** How deep recoveries are crashed: a crash, one in its recovery, one in the recovery from that. */
const DEPTH_MAX = 2;

export interface SimulationOptions {
  readonly seed: number;
  /** In shared memory; used by this simulation alone. */
  readonly hotDirectory: string;
  readonly tally: Tally;
  /** Cut the run short, to find the shortest that still shows a violation. */
  readonly livesMax?: number;
  readonly batchesMax?: number;
  /** Of the crash points that are started and judged; all unless given. */
  readonly judgedShare?: number;
  /** Breaks something on purpose, to see that it is noticed. */
  readonly sabotage?: Sabotage;
}

export class Simulation {
  readonly #options: SimulationOptions;
  readonly #dice: Dice;
  readonly #trace = createHash('sha256');
  #life = 0;
  #lines: readonly string[] = [];
  #windowMicros = INITIAL_WINDOW_MICROS;
  /** What this seed has: many with a few things each find more than all things at once. */
  readonly #traits: Pick<LifeOptions, 'backsUp' | 'checkpoints' | 'commandsMax' | 'erases'>;

  private constructor(options: SimulationOptions) {
    this.#options = options;
    this.#dice = new Dice(options.seed, 'simulation');
    const hasOperator = new Dice(options.seed, 'operator').chance(OPERATOR_SHARE);
    this.#traits = {
      commandsMax: hasOperator ? COMMANDS_MAX : 0,
      erases: !hasOperator && new Dice(options.seed, 'erasure').chance(ERASURE_SHARE),
      checkpoints: new Dice(options.seed, 'checkpoints').chance(CHECKPOINT_SHARE),
      backsUp: new Dice(options.seed, 'backups').chance(BACKUP_SHARE),
    };
  }

  /** @returns a digest of everything that happened: equal for equal seeds. */
  static async run(options: SimulationOptions): Promise<string> {
    const simulation = new Simulation(options);
    options.tally.count('seeds');
    await simulation.#run();
    return simulation.#trace.digest('hex');
  }

  async #run(): Promise<void> {
    const { seed, livesMax = LIVES_MAX, judgedShare = 1 } = this.#options;
    const lives = Math.min(new Dice(seed, 'lives').between(1, LIVES_MAX), livesMax);
    const judged = new Dice(seed, 'judged');
    const workload = new Workload(new Dice(seed, 'workload'));
    let from: CrashImage = {
      fileSystem: new MemoryFileSystem(),
      witness: new Witness(INITIAL_WINDOW_MICROS),
      where: 'nothing',
      isPowerCut: true,
      nowMicros: 1_772_366_400_000_000,
      traceLength: 0,
    };
    for (; this.#life < lives; this.#life += 1) {
      this.#windowMicros = this.#dice.pick(WINDOWS_MICROS);
      const report = await this.#live(from, workload);
      this.#lines = report.trace;
      for (const line of report.trace) this.#trace.update(line);
      for (const what of report.problems) this.#violate('live', what, report.trace.length);
      const verified = new Set<string>();
      for (const image of report.images) {
        if (!judged.chance(judgedShare)) continue;
        // Two crashes that leave the same disk, and the same promises, are judged once.
        const content = `${contentOf(image.fileSystem)} ${image.witness.durableCount}`;
        if (image.isPowerCut && verified.has(content)) continue;
        verified.add(content);
        await this.#verify(image, 0);
        if (this.#options.tally.violations.length > 0) return;
      }
      const last = report.images.at(-1)!;
      if (report.backup !== undefined) await this.#restore(last, report.backup);
      await this.#decay(last);
      from = this.#dice.chance(LAST_SHARE) ? last : this.#dice.pick(report.images);
      this.#trace.update(from.where);
    }
  }

  #live(from: CrashImage, workload: Workload): Promise<LifeReport> {
    const { seed, hotDirectory, tally, sabotage = {}, batchesMax = Infinity } = this.#options;
    return new Life({
      ...{ seed, life: this.#life, from, hotDirectory, workload, batchesMax, sabotage, tally },
      dedupeWindowMicros: this.#windowMicros,
      ...this.#traits,
    }).run();
  }

  /** Starts over `image`, and now and then crashes that start too. */
  async #verify(image: CrashImage, depth: number): Promise<void> {
    const { hotDirectory, seed, tally } = this.#options;
    const crashAt =
      depth < DEPTH_MAX && this.#dice.chance(depth === 0 ? 0.2 : 0.5) ? this.#dice.below(12) : -1;
    const crashSeed = this.#dice.below(2 ** 31);
    const witness = image.witness.fork();
    let crashed: MemoryFileSystem | undefined;
    let syncs = 0;
    const fileSystem: MemoryFileSystem = image.fileSystem.copy({
      schedule: (operation) => {
        if (!SYNC_POINTS.has(operation)) return;
        if (syncs === crashAt) crashed = fileSystem.crash(crashSeed);
        syncs += 1;
      },
    });
    tally.count('boots');
    try {
      const { appliance, during, problems } = await start(
        {
          ...{ fileSystem, hotDirectory, randomSeed: seed + depth },
          clock: { nowMicros: () => image.nowMicros, monotonicMs: () => 0 },
          dedupeWindowMicros: this.#windowMicros,
        },
        witness,
      );
      problems.push(...(await judge(appliance, fileSystem, witness)));
      await appliance.close();
      for (const what of problems) this.#violate(image.where, what, image.traceLength);
      if (crashed === undefined) return;
      tally.count('crashPoints');
      tally.countFault('power cut in recovery');
      const where = `${image.where}, then at sync ${crashAt} of the start`;
      await this.#verify({ ...image, fileSystem: crashed, witness: during, where }, depth + 1);
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      this.#violate(image.where, `could not start: ${String(error)}`, image.traceLength);
    }
  }

  /** Puts a backup back into an empty directory, and starts over that. */
  async #restore(image: CrashImage, backup: Backup): Promise<void> {
    const { hotDirectory, seed, tally } = this.#options;
    const fileSystem = image.fileSystem.copy();
    const witness = backup.witness.fork();
    const where = `${image.where}, restored from ${backup.id}`;
    tally.countFault('restore');
    tally.count('boots');
    try {
      await putBack(fileSystem, backup);
      const { appliance, problems } = await start(
        {
          ...{ fileSystem, hotDirectory, randomSeed: seed, dataDirectory: RESTORED_DIRECTORY },
          clock: { nowMicros: () => image.nowMicros, monotonicMs: () => 0 },
          dedupeWindowMicros: this.#windowMicros,
        },
        witness,
      );
      problems.push(...(await judge(appliance, fileSystem, witness)));
      await appliance.close();
      for (const what of problems) this.#violate(where, what, image.traceLength);
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      this.#violate(where, `could not be restored: ${String(error)}`, image.traceLength);
    }
  }

  /** Changes some bits of a disk at rest: what is served afterwards is right, or nothing is. */
  async #decay(image: CrashImage): Promise<void> {
    const { hotDirectory, seed, tally } = this.#options;
    const fileSystem = image.fileSystem.crash(this.#dice.below(2 ** 31));
    const damage = decay(fileSystem, this.#dice);
    if (damage === undefined) return;
    tally.countFault(damage.kind);
    tally.count('boots');
    const where = `${image.where}, ${damage.where}`;
    const witness = image.witness.fork();
    try {
      const { appliance, problems } = await start(
        {
          ...{ fileSystem, hotDirectory, randomSeed: seed },
          clock: { nowMicros: () => image.nowMicros, monotonicMs: () => 0 },
          dedupeWindowMicros: this.#windowMicros,
        },
        witness,
      );
      // A last group that decayed looks like one that was torn; it is told of, at least.
      const isTold = appliance.tenant.recovery.tornBytes > 0;
      problems.push(...(await judge(appliance, fileSystem, witness)));
      await appliance.close();
      tally.countFault(isTold ? 'decay seen as a torn tail' : 'decay without effect');
      for (const what of problems) {
        if (!isTold || !what.includes('acknowledged entries')) {
          this.#violate(where, what, image.traceLength);
        }
      }
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      tally.countFault('decay refused by name');
      // Of two checkpoints either is enough, with the log behind it.
      if (damage.isSpare) this.#violate(where, `refused: ${String(error)}`, image.traceLength);
    }
  }

  #violate(where: string, what: string, traceLength: number): void {
    const trace = this.#lines.slice(0, traceLength);
    const place = `life ${this.#life}, ${where}`;
    this.#options.tally.violations.push({ seed: this.#options.seed, where: place, what, trace });
  }
}

/** Equal for disks with equal files; nothing on them waits for a sync. */
function contentOf(fileSystem: MemoryFileSystem): string {
  const digest = createHash('sha1');
  for (const { path, bytes } of fileSystem.files()) digest.update(path).update(bytes);
  return digest.digest('hex');
}
