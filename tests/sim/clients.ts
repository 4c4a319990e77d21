/**
 * Who talks to the appliance in one life: producers that send batches, and an operator. What is sent and what
 * is answered goes into the witness.
 *
 * - An entry is noted when it is handed over, which is when its place in the log is decided: nothing else
 *   happens before it has that place.
 * - Answers to batches come in the order of the log, each with the sequence that is due.
 */
import { HOUR_MICROS } from '../../base/units.ts';
import type { Tenant } from '../../engine/tenant.ts';
import type { SimulatedAppliance } from './appliance.ts';
import type { Dice } from './dice.ts';
import { nextCommand } from './operator.ts';
import type { Scheduler } from './scheduler.ts';
import type { Tally } from './tally.ts';
import { identityPrint } from './tenant-state.ts';
import type { Witness } from './witness.ts';
import type { Workload } from './workload.ts';

function profileOf({ identity }: Tenant, user: string): string | null {
  return identity.resolveProfileId('user_id', user);
}

export interface ClientsOptions {
  readonly appliance: SimulatedAppliance;
  readonly witness: Witness;
  readonly workload: Workload;
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly tally: Tally;
  /** For the trace. */
  readonly note: (text: string) => void;
  readonly onProblem: (what: string) => void;
}

export class Clients {
  readonly #options: ClientsOptions;
  #lastAnswered = -1;

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  /** Sends the next batch and waits for the answer. */
  async send(): Promise<void> {
    const { appliance, dice, note, onProblem, scheduler, tally, witness, workload } = this.#options;
    // Now and then a long silence, so that message ids are forgotten, or a clock that is set back.
    if (dice.chance(0.05)) scheduler.advance(dice.between(1, 40) * HOUR_MICROS);
    if (dice.chance(0.03)) scheduler.advance(-dice.between(1, 3) * HOUR_MICROS);
    const receivedAtMicros = scheduler.nowMicros();
    const batch = workload.next(receivedAtMicros);
    const { events } = batch;
    const source = appliance.sourceName;
    const index = witness.entries.length;
    witness.entries.push({ kind: 'batch', events, receivedAtMicros, source });
    tally.count('batches');
    tally.count('events', events.length);
    try {
      const { lastSequence } = await appliance.send(batch, receivedAtMicros);
      tally.count('acknowledged');
      note(`entry ${index} acknowledged: ${lastSequence}`);
      if (index < this.#lastAnswered) onProblem('acknowledged out of order');
      this.#lastAnswered = index;
      this.#acknowledged(index);
      const due = witness.sequenceAfter(index + 1) - 1;
      if (lastSequence !== due) onProblem(`acknowledged sequence ${lastSequence}, ${due} was due`);
    } catch (error) {
      this.#refused(index, 'a batch', error);
    }
  }

  /** Tells identity something and waits until it is done. One command is under way at a time. */
  async tell(): Promise<void> {
    const { appliance, dice, note, scheduler, tally, witness } = this.#options;
    const command = nextCommand(dice, appliance.tenant.identity);
    const index = witness.entries.length;
    witness.entries.push({ kind: 'command' });
    try {
      const outcome = await appliance.tenant.commands.changeIdentity(
        command,
        scheduler.nowMicros(),
      );
      tally.countFault(`command ${command.command}`);
      note(`entry ${index}, ${command.command}: ${outcome.isChanged ? 'done' : 'no change'}`);
      this.#acknowledged(index);
    } catch (error) {
      this.#refused(index, `the command ${command.command}`, error);
    }
  }

  /** Has somebody erased, unless nobody is known yet. Only the first erasure of a log is modelled. */
  async erase(): Promise<void> {
    const { appliance, dice, note, scheduler, tally, witness } = this.#options;
    if (witness.entries.some(({ kind }) => kind === 'erasure')) return;
    const { tenant, open } = appliance;
    const { users, deadLetters: refused } = witness.model();
    const known = [...users.keys()].filter((user) => profileOf(tenant, user) !== null);
    if (known.length === 0) return;
    const user = dice.pick(known);
    const former = profileOf(tenant, user)!;
    const deadLetters = refused
      .map(({ sequence }) => sequence)
      .filter((sequence) => sequence <= tenant.appliedSequence);
    const index = witness.entries.length;
    witness.entries.push({ kind: 'erasure', user, deadLetters, former });
    const subject = { identifier: { type: 'user_id', value: user } };
    const mentions = Promise.resolve({ deadLetters, warnings: [] });
    try {
      const now = scheduler.nowMicros();
      const { counts } = await open.erasures.erase(subject, null, () => mentions, now);
      tally.countFault('erasure');
      note(`entry ${index}, ${user} erased with ${counts.events} events`);
      this.#acknowledged(index);
    } catch (error) {
      this.#refused(index, 'an erasure', error);
    }
  }

  #acknowledged(index: number): void {
    const { appliance, onProblem, witness } = this.#options;
    witness.durableCount = Math.max(witness.durableCount, index + 1);
    const { tenant } = appliance;
    const count = witness.countUntil(tenant.appliedSequence);
    if (count === undefined) {
      onProblem(`sequence ${tenant.appliedSequence} is applied, where nothing ends`);
      return;
    }
    for (const what of witness.saw('identity', identityPrint(tenant), count)) onProblem(what);
  }

  #refused(index: number, what: string, error: unknown): void {
    const { appliance, note, onProblem } = this.#options;
    note(`entry ${index} refused: ${String(error)}`);
    if (appliance.tenant.failure === undefined) onProblem(`${what} was refused: ${String(error)}`);
  }
}
