/**
 * A start over a disk that a crash left, and the judgement on it: what was promised is there, nothing
 * else is, in the order it was sent, and the state is the fold of it.
 */
import type { Clock } from '../../base/clock.ts';
import { seededRandomSource } from '../../base/random.ts';
import type { FileSystem } from '../../storage/file-system.ts';
import type { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { SimulatedAppliance } from './appliance.ts';
import { identityTableProblems } from './identity-tables.ts';
import type { Sabotage } from './sabotage.ts';
import { differences, fingerprint, identityPrint, observe } from './tenant-state.ts';
import type { Witness } from './witness.ts';

export interface StartOptions {
  readonly fileSystem: FileSystem;
  readonly dataDirectory?: string;
  readonly hotDirectory: string;
  readonly clock: Clock;
  readonly randomSeed: number;
  readonly dedupeWindowMicros: number;
  readonly sabotage?: Sabotage;
}

export interface Start {
  readonly appliance: SimulatedAppliance;
  /** What a crash during this start is judged by: nothing was promised yet. */
  readonly during: Witness;
  readonly problems: string[];
}

/**
 * Starts over what `witness` knows about, which learns from it what is there.
 * @throws what the start throws; the witness is as before then.
 */
export async function start(options: StartOptions, witness: Witness): Promise<Start> {
  const { randomSeed, dedupeWindowMicros } = options;
  const random = seededRandomSource(randomSeed);
  const appliance = await SimulatedAppliance.boot({ ...options, random });
  const before = witness.durableCount;
  const problems = witness.recovered(appliance.tenant.recovery.nextSequence);
  const during = witness.fork();
  during.durableCount = Math.min(before, witness.durableCount);
  if (dedupeWindowMicros !== witness.windowMicros) {
    for (const each of [witness, during]) {
      each.entries.push({ kind: 'configuration', dedupeWindowMicros });
    }
    witness.durableCount += 1;
  }
  return { appliance, during, problems };
}

/**
 * What is wrong with an appliance on `disk` that should show exactly the entries of `witness`.
 * @throws the file system's error: the lake is asked for its files.
 */
export async function judge(
  appliance: SimulatedAppliance,
  disk: MemoryFileSystem,
  witness: Witness,
): Promise<string[]> {
  const model = witness.model();
  const state = await observe(appliance, disk, model);
  const problems = differences(state, model, witness.keptFromDay);
  const what = `the state from day ${witness.keptFromDay}`;
  problems.push(...witness.saw(what, fingerprint(state, witness.keptFromDay)));
  problems.push(...witness.saw('identity', identityPrint(appliance.tenant)));
  problems.push(...(await identityTableProblems(appliance, disk, witness)));
  if (!appliance.knowsItsKeys) problems.push('the keys are not known any more');
  return problems;
}
