/**
 * One life of the appliance: it starts over a disk, takes batches from several producers at once, and
 * closes. At every sync the disk is copied as a crash at that moment would leave it; the life itself
 * goes on. Faults strike as the seed has it.
 */
import type { FileSystem } from '../../storage/file-system.ts';
import type { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import type { SimulatedAppliance } from './appliance.ts';
import type { Backup } from './backups.ts';
import { Clients } from './clients.ts';
import { Dice } from './dice.ts';
import { DiskFaults } from './disk-faults.ts';
import type { Sabotage } from './sabotage.ts';
import { Scheduler } from './scheduler.ts';
import type { Tally } from './tally.ts';
import { Upkeep } from './upkeep.ts';
import { judge, start } from './verification.ts';
import type { Witness } from './witness.ts';
import type { Workload } from './workload.ts';

/** Where making something durable begins; what was written before is still open. */
export const SYNC_POINTS: ReadonlySet<string> = new Set(['sync', 'syncDirectory']);

/** Of the checkpoints, those of which identity is written. */
const IDENTITY_SHARE = 0.3;
const PATIENCE_TURNS_MAX = 12;
/** Of the moments at which a life could make one. */
const CHECKPOINT_SHARE = 0.7;

/** A disk after a crash, and what must be on it. */
export interface CrashImage {
  readonly fileSystem: MemoryFileSystem;
  readonly witness: Witness;
  readonly where: string;
  /** Whether what was not synced is lost; a killed process leaves it to the kernel. */
  readonly isPowerCut: boolean;
  readonly nowMicros: number;
  /** Lines of the life's trace that led to it. */
  readonly traceLength: number;
}

export interface LifeOptions {
  readonly seed: number;
  readonly life: number;
  readonly from: CrashImage;
  readonly hotDirectory: string;
  readonly workload: Workload;
  readonly batchesMax: number;
  /** Commands of an operator, at most. */
  readonly commandsMax: number;
  /** Whether somebody is erased, and whether checkpoints are made. */
  readonly erases: boolean;
  readonly checkpoints: boolean;
  readonly backsUp: boolean;
  readonly dedupeWindowMicros: number;
  readonly sabotage: Sabotage;
  readonly tally: Tally;
}

export interface LifeReport {
  /** In the order of their moments; the last one is the disk after the end. */
  readonly images: readonly CrashImage[];
  readonly trace: readonly string[];
  readonly problems: readonly string[];
  /** The newest; its files are on the last of the images. */
  readonly backup: Backup | undefined;
}

type Capture = Omit<CrashImage, 'witness'> & { witness: Witness | undefined };

export class Life {
  readonly #options: LifeOptions;
  readonly #dice: Dice;
  readonly #scheduler: Scheduler;
  readonly #disk: MemoryFileSystem;
  readonly #faults: DiskFaults;
  #witness: Witness;
  readonly #captures: Capture[] = [];
  readonly #trace: string[] = [];
  readonly #problems: string[] = [];
  #backup: Backup | undefined;
  /** Whether the start is over, and the witness therefore knows what the log holds. */
  #isStarted = false;

  constructor(options: LifeOptions) {
    const { seed, life, from } = options;
    this.#options = options;
    this.#dice = new Dice(seed, `life ${life}`);
    this.#witness = from.witness.fork();
    this.#scheduler = new Scheduler(
      new Dice(seed, `order ${life}`),
      (what, path) => this.#beforeGrant(what, path),
      from.nowMicros,
    );
    this.#disk = from.fileSystem.copy({
      clock: this.#scheduler,
      schedule: (operation, path) => this.#scheduler.wish(operation, path),
    });
    this.#faults = new DiskFaults(
      new Dice(seed, `faults ${life}`),
      this.#disk,
      options.tally,
      (text) => this.#trace.push(text),
    );
  }

  /** Lives from the start to the end. */
  async run(): Promise<LifeReport> {
    const { life, sabotage, tally } = this.#options;
    tally.count('lives');
    const faulty = this.#faults.fileSystem;
    const appliance = await this.#start(sabotage.disk?.(faulty) ?? faulty);
    if (appliance !== undefined) {
      this.#scheduler.isBusy = () => appliance.tenant.isStaging;
      await this.#judge(appliance, this.#witness);
      await this.#checkpoint(appliance);
      for (const part of ['a', 'b']) {
        await this.#produce(appliance, `${life}${part}`);
        await this.#checkpoint(appliance);
      }
      await this.#judgeEnd(appliance);
      await this.#scheduler.run(appliance.close());
    }
    this.#capture(`after life ${life}`, false);
    const witness = this.#witness;
    const images = this.#captures.map((capture) => ({
      ...capture,
      witness: capture.witness ?? witness.fork(),
    }));
    return { images, trace: this.#trace, problems: this.#problems, backup: this.#backup };
  }

  async #start(fileSystem: FileSystem): Promise<SimulatedAppliance | undefined> {
    const { seed, life, hotDirectory, dedupeWindowMicros, sabotage, tally } = this.#options;
    const randomSeed = seed * 1000 + life;
    const clock = this.#scheduler;
    tally.count('boots');
    try {
      const starting = start(
        { fileSystem, hotDirectory, clock, randomSeed, dedupeWindowMicros, sabotage },
        this.#witness,
      );
      const { appliance, during, problems } = await this.#scheduler.run(starting);
      this.#problems.push(...problems);
      for (const capture of this.#captures) capture.witness = during.fork();
      this.#isStarted = true;
      return appliance;
    } catch (error) {
      this.#noteFailure('the start', error);
      await this.#learnWhatIsThere();
      return undefined;
    }
  }

  /** After a start that failed: another one, over the same disk as it was, tells what the log held. */
  async #learnWhatIsThere(): Promise<void> {
    const { from, hotDirectory, dedupeWindowMicros, seed, tally } = this.#options;
    tally.count('boots');
    const fileSystem = from.fileSystem.copy();
    const options = { fileSystem, hotDirectory, dedupeWindowMicros, clock: this.#scheduler };
    const witness = this.#witness.fork();
    try {
      const { appliance, during } = await start({ ...options, randomSeed: seed }, witness);
      await appliance.close();
      this.#witness = during;
    } catch (error) {
      this.#problems.push(`a start over a sound disk fails too: ${String(error)}`);
    }
    for (const capture of this.#captures) capture.witness = this.#witness.fork();
  }

  /** Several producers and an operator at once, each waiting for its answer before it goes on. */
  async #produce(appliance: SimulatedAppliance, part: string): Promise<void> {
    const { backsUp, batchesMax, commandsMax, erases, seed, tally, workload } = this.#options;
    const clients = new Clients({
      ...{ appliance, tally, workload, scheduler: this.#scheduler, witness: this.#witness },
      dice: new Dice(seed, `clients ${part}`),
      note: (text) => this.#trace.push(text),
      onProblem: (what) => this.#problems.push(what),
    });
    let remaining = Math.min(this.#dice.between(1, 6), batchesMax);
    const producers = Array.from({ length: this.#dice.between(1, 4) }, async (_, producer) => {
      while (remaining > 0) {
        remaining -= 1;
        await this.#scheduler.wish('send', `producer ${producer}`);
        await clients.send();
      }
    });
    const commands = Math.min(this.#dice.below(commandsMax + 1), batchesMax);
    const operator = async (): Promise<void> => {
      for (let command = 0; command < commands; command += 1) {
        await this.#scheduler.wish('tell', 'the operator');
        await clients.tell();
      }
    };
    const upkeep = new Upkeep({
      ...{ appliance, backsUp, tally, scheduler: this.#scheduler, witness: this.#witness },
      onBackup: (backup) => {
        this.#backup = backup;
      },
      dice: new Dice(seed, `upkeep ${part}`),
      note: (text) => this.#trace.push(text),
      onFailure: (what, error) => this.#noteFailure(what, error),
    });
    const eraser = async (): Promise<void> => {
      if (!erases || batchesMax === 0) return;
      await this.#wait('the eraser');
      if (this.#dice.chance(0.6)) await upkeep.attempt('flush');
      await clients.erase();
      await this.#wait('the eraser');
      // A backup reads the files one after another while they are rewritten.
      const others = [upkeep.attempt('back up')];
      if (this.#dice.chance(0.6)) others.push(upkeep.attempt('erase'));
      await Promise.all(others);
    };
    await this.#scheduler.run(Promise.all([...producers, operator(), eraser(), upkeep.run()]));
  }

  /** Lets others go first, a few times. */
  async #wait(who: string): Promise<void> {
    const turns = this.#dice.below(PATIENCE_TURNS_MAX);
    for (let turn = 0; turn < turns; turn += 1) await this.#scheduler.wish('wait', who);
  }

  /**
   * Makes a checkpoint now and then, of all there is where it is flushed before. Nobody else wants anything
   * meanwhile: it works with a thread whose pace nobody can foretell.
   */
  async #checkpoint(appliance: SimulatedAppliance): Promise<void> {
    const { checkpoints, tally } = this.#options;
    if (!checkpoints || !this.#dice.chance(CHECKPOINT_SHARE)) return;
    try {
      if (this.#dice.chance(0.5)) await this.#scheduler.run(appliance.open.flusher.flush());
      await this.#scheduler.settle();
      if (appliance.flushedSequence === 0) return;
      const files = await this.#scheduler.run(appliance.checkpoint());
      tally.countFault('checkpoint');
      tally.countFault('log file removed', files);
      this.#trace.push(`checkpoint made, ${files} files of the log removed`);
      if (!this.#dice.chance(IDENTITY_SHARE)) return;
      const write = await this.#scheduler.run(appliance.writeIdentity());
      if (write !== undefined) tally.countFault('identity written');
    } catch (error) {
      this.#noteFailure('the checkpoint', error);
    }
  }

  /** Whether what is shown now is what was acknowledged, no more and no less. */
  async #judgeEnd(appliance: SimulatedAppliance): Promise<void> {
    const { tenant } = appliance;
    const acknowledged = this.#witness.fork();
    acknowledged.entries.length = acknowledged.durableCount;
    await this.#judge(appliance, acknowledged);
    if (tenant.failure === undefined && this.#faults.struck === 0) {
      const lost = this.#witness.entries.length - this.#witness.durableCount;
      if (lost > 0) this.#problems.push(`${lost} batches were never answered`);
    }
  }

  async #judge(appliance: SimulatedAppliance, witness: Witness): Promise<void> {
    try {
      const problems = await this.#scheduler.run(judge(appliance, this.#disk, witness));
      this.#problems.push(...problems);
    } catch (error) {
      this.#noteFailure('the reading of the lake', error);
    }
  }

  /** What fails while nothing is wrong with the disk is a violation. */
  #noteFailure(what: string, error: unknown): void {
    this.#trace.push(`${what} fails: ${String(error)}`);
    if (this.#faults.struck === 0) this.#problems.push(`${what} fails: ${String(error)}`);
  }

  #beforeGrant(what: string, path: string): void {
    if (SYNC_POINTS.has(what)) this.#capture(`before ${what} ${path}`, true);
    this.#trace.push(`${what} ${path.slice(path.lastIndexOf('/tenants/') + 1)}`);
  }

  #capture(where: string, mayLose: boolean): void {
    const point = this.#captures.length;
    const isPowerCut = mayLose ? this.#dice.chance(0.8) : this.#dice.chance(0.5);
    this.#options.tally.count('crashPoints');
    this.#options.tally.countFault(isPowerCut ? 'power cut' : 'kill');
    this.#captures.push({
      fileSystem: isPowerCut ? this.#disk.crash(this.#dice.below(2 ** 31)) : this.#disk.copy(),
      witness: this.#isStarted ? this.#witness.fork() : undefined,
      where: `crash ${point} (${isPowerCut ? 'power cut' : 'kill'} ${where})`,
      isPowerCut,
      nowMicros: this.#scheduler.nowMicros(),
      traceLength: this.#trace.length,
    });
  }
}
