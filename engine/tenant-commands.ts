/**
 * What is said to a tenant besides events: of its configuration, of identity, of erasures, of traits. Each is one record
 * of the log with a sequence of its own, in the same order as the events, and is carried out once it is durable.
 *
 * - One command is under way at a time; the others wait for their turn.
 * - What is wrong with a command is found before it is logged: nothing has happened then.
 * - Replay carries out the same records at the same places: recovery.ts.
 */
import { TributaryError } from '../base/errors.ts';
import type { IdentityCommand } from '../identity/identity-command.ts';
import type { CommandOutcome } from '../identity/identity-operator.ts';
import { parseRules } from '../identity/identity-rules-format.ts';
import { WAL_CODEC, WAL_RECORD_TYPE, type WalRecordType } from '../storage/wal-format.ts';
import type { WalWriter } from '../storage/wal-writer.ts';
import type { TraitDeclarations } from './declared-traits.ts';
import type { Erasure } from './erasure-ledger.ts';
import {
  type EraseCommand,
  type GoneCommand,
  type RewrittenCommand,
  serialiseErasureCommand,
} from './erasure-record.ts';
import type { EventFold } from './event-fold.ts';
import type { EventStager } from './event-stager.ts';
import {
  isSameConfiguration,
  serialiseConfiguration,
  type TenantConfiguration,
} from './tenant-configuration.ts';
import { serialiseTraitsCommand, type TraitsCommand } from './trait-record.ts';

/** A record without rows on its way to the disk. */
export interface PendingChange {
  readonly kind: 'change';
  readonly sequence: number;
  /** Does it, and returns how to tell whoever asked for it. */
  readonly carryOut: () => () => void;
  readonly reject: (error: TributaryError) => void;
}

interface ChangeRecord {
  readonly type: WalRecordType;
  readonly bytes: Uint8Array;
  readonly receivedAtMicros: number;
}

export interface TenantCommandsOptions {
  readonly stager: EventStager;
  readonly fold: EventFold;
  readonly log: Pick<WalWriter<PendingChange>, 'commitRecord' | 'synced'>;
  /** Finds room for a command of so many bytes, in the log too; throws when there is none. */
  readonly admit: (bytes: number) => void;
}

export class TenantCommands {
  readonly #stager: EventStager;
  readonly #fold: EventFold;
  readonly #log: TenantCommandsOptions['log'];
  readonly #admit: (bytes: number) => void;
  /** Settles when the last command is carried out or refused. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: TenantCommandsOptions) {
    this.#stager = options.stager;
    this.#fold = options.fold;
    this.#log = options.log;
    this.#admit = options.admit;
  }

  /** Settles when every command there is now has been carried out or refused. */
  settled(): Promise<void> {
    return this.#last;
  }

  /**
   * Carries out what an operator says of identity; resolves when it is durable and visible. One command
   * is under way at a time. `identity.preview` shows what one would do.
   * Rejects with TRIBUTARY_IDENTITY_TYPE_UNKNOWN, TRIBUTARY_IDENTITY_RULES_OUTDATED, or as `Tenant.append` does.
   */
  changeIdentity(command: IdentityCommand, receivedAtMicros: number): Promise<CommandOutcome> {
    return this.#inTurn(() => this.#changeIdentity(command, receivedAtMicros));
  }

  /**
   * Erases what `plan` names, and resolves when that is durable and hot rows are hidden. Batches that come
   * meanwhile wait: the plan is made of the state that the erasure will find, and nothing is on its way to it.
   * @param plan may throw; nothing has happened then.
   * Rejects as `Tenant.append` does.
   */
  erase(plan: () => EraseCommand, receivedAtMicros: number): Promise<Erasure> {
    return this.#inTurn(async () => {
      this.#stager.hold();
      try {
        await this.#stager.drained();
        await this.#log.synced();
        const command = plan();
        const record = { type: WAL_RECORD_TYPE.erasure, receivedAtMicros };
        const bytes = serialiseErasureCommand(command);
        this.#admit(bytes.length);
        return await this.#logChange({ ...record, bytes }, (sequence) =>
          this.#fold.erase(command, sequence, receivedAtMicros),
        );
      } finally {
        this.#stager.release();
      }
    });
  }

  /** Notes how far erasures have come; resolves when it is durable. Rejects as `Tenant.append` does. */
  noteErasures(command: RewrittenCommand | GoneCommand, receivedAtMicros: number): Promise<void> {
    return this.#inTurn(async () => {
      const record = { type: WAL_RECORD_TYPE.erasure, receivedAtMicros };
      const bytes = serialiseErasureCommand(command);
      this.#admit(bytes.length);
      await this.#logChange({ ...record, bytes }, () =>
        this.#fold.erasures.note(command, receivedAtMicros),
      );
    });
  }

  /**
   * Keeps values of traits that were said before their keys were kept, but for those of anchors that were erased
   * meanwhile; resolves when that is durable. Rejects as `Tenant.append` does.
   */
  keepTraits(command: TraitsCommand, receivedAtMicros: number): Promise<void> {
    return this.#inTurn(async () => {
      const { profiles } = this.#fold.identity;
      const values = command.values.filter(({ anchor }) => !profiles.isErased(anchor));
      const kept = { ...command, values };
      const bytes = serialiseTraitsCommand(kept);
      this.#admit(bytes.length);
      const record = { type: WAL_RECORD_TYPE.traits, receivedAtMicros };
      await this.#logChange({ ...record, bytes }, () => this.#fold.keepTraits(kept));
    });
  }

  /** Runs a command when the one before it has settled. */
  #inTurn<Outcome>(command: () => Promise<Outcome>): Promise<Outcome> {
    const outcome = this.#last.then(command);
    this.#last = outcome.then(
      () => undefined,
      () => undefined,
    );
    return outcome;
  }

  async #changeIdentity(
    command: IdentityCommand,
    receivedAtMicros: number,
  ): Promise<CommandOutcome> {
    // Rows that are staged behind a change of rules are read by the new ones, none before it.
    if (command.command === 'rules') await this.#stager.drained();
    // Names of types and the version of rules are checked before anything is logged.
    this.#fold.identity.preview(command);
    const record = { type: WAL_RECORD_TYPE.identity, receivedAtMicros };
    const bytes = Buffer.from(JSON.stringify(command));
    this.#fold.room.claimCommand(bytes.length);
    this.#admit(bytes.length);
    const outcome = this.#logChange({ ...record, bytes }, (sequence) =>
      this.#fold.carryOut(command, sequence, receivedAtMicros),
    );
    if (command.command === 'rules') {
      this.#fold.identity.extractBy(parseRules(command.rules, command.version));
    }
    return outcome;
  }

  /**
   * Declares traits in place of those there are; resolves when it is durable and holds.
   * @param version they were made from; undefined replaces whatever there is. @returns the version they have.
   * Rejects with TRIBUTARY_IDENTITY_TRAITS_OUTDATED, or as `Tenant.append` does.
   */
  declareTraits(
    traits: TraitDeclarations['traits'],
    version: number | undefined,
    receivedAtMicros: number,
  ): Promise<number> {
    return this.#inTurn(async () => {
      const current = this.#fold.configuration.declarations.version;
      if (version !== undefined && version !== current) {
        throw new TributaryError('TRIBUTARY_IDENTITY_TRAITS_OUTDATED', { version, current });
      }
      const declarations = { version: current + 1, traits };
      await this.configure({ declarations }, receivedAtMicros, this.#admit);
      return declarations.version;
    });
  }

  /**
   * Logs `changes` to the configuration and waits until they hold, unless they hold already.
   * @param promise finds room in the log for so many bytes. It may throw.
   */
  async configure(
    changes: Partial<TenantConfiguration>,
    receivedAtMicros: number,
    promise: (bytes: number) => void,
  ): Promise<void> {
    const configuration = { ...this.#fold.configuration, ...changes };
    if (isSameConfiguration(configuration, this.#fold.configuration)) return;
    const record = { type: WAL_RECORD_TYPE.configuration, receivedAtMicros };
    const bytes = serialiseConfiguration(configuration);
    promise(bytes.length);
    await this.#logChange(
      { ...record, bytes },
      () => this.#fold.configure(configuration),
      configuration.dedupeWindowMicros,
    );
  }

  /**
   * Gives a change its place behind what was submitted, and does it there once it is durable. Its bytes
   * were promised by the log. @returns what `change` returned, when it is visible.
   */
  #logChange<Outcome>(
    { type, bytes, receivedAtMicros }: ChangeRecord,
    change: (sequence: number) => Outcome,
    dedupeWindowMicros?: number,
  ): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#stager.place((sequence) => {
        this.#log.commitRecord(
          {
            length: bytes.length,
            sequence,
            receivedAtMicros,
            type,
            codec: WAL_CODEC.json,
            source: 0,
            // A sequence of its own, so that a recovery from any sequence knows whether it is due.
            eventCount: 1,
            defaultType: 0,
            hasSender: false,
          },
          bytes,
          {
            kind: 'change',
            sequence,
            carryOut() {
              const outcome = change(sequence);
              return () => resolve(outcome);
            },
            reject,
          },
        );
      }, dedupeWindowMicros);
    });
  }
}
