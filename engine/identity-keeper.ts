/**
 * Identity of one tenant as an operator sees it: commands and rules come in as parsed JSON, and are
 * checked, shown or carried out.
 *
 * - Nothing is logged by a dry run, nor by a command that cannot be read.
 * - Rules are changed only over the version they were made from, where that is told.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { type NamedIdentifier, parseIdentityCommand } from '../identity/identity-command.ts';
import type { CommandOutcome, PeopleCommand } from '../identity/identity-operator.ts';
import { rulesToJson } from '../identity/identity-rules-format.ts';
import type { Tenant } from './tenant.ts';

export type { CommandOutcome };
/** `undo`, `split`, `block`, `link` or `unlink`. */
export type CommandName = PeopleCommand['command'];

export interface RulesChange {
  /** The JSON form of a rule set, not yet checked. */
  readonly rules: unknown;
  /** The version it was made from; undefined replaces whatever there is. */
  readonly version: number | undefined;
  readonly isDryRun: boolean;
}

export class IdentityKeeper {
  readonly #tenant: Tenant;

  constructor(tenant: Tenant) {
    this.#tenant = tenant;
  }

  /**
   * Carries a command out, or with `isDryRun` says what it would do. Resolves when it is durable and visible.
   * @param command the JSON form, not yet checked.
   * @throws TributaryError as a rejection: TRIBUTARY_IDENTITY_COMMAND_INVALID, _TYPE_UNKNOWN, or as
   * Tenant.changeIdentity does.
   */
  async obey(command: unknown, isDryRun: boolean, nowMicros: number): Promise<CommandOutcome> {
    const parsed = parseIdentityCommand(command);
    if (parsed.command === 'rules') throw invalid('rules are not set by a command');
    for (const identifier of identifiersOf(parsed)) requireLength(identifier);
    if (isDryRun) return this.#tenant.identity.preview(parsed);
    return this.#tenant.changeIdentity(parsed, nowMicros);
  }

  /** The JSON form of the rules, with their version. */
  get rules(): { readonly version: number } & Readonly<Record<string, unknown>> {
    const { rules } = this.#tenant.identity;
    return { version: rules.version, ...rulesToJson(rules) };
  }

  /**
   * @returns the version that the rules have by it.
   * @throws TributaryError as a rejection: TRIBUTARY_IDENTITY_RULES_INVALID, _RULES_OUTDATED, or as
   * Tenant.changeIdentity does.
   */
  async changeRules({ rules, version, isDryRun }: RulesChange, nowMicros: number): Promise<number> {
    const { identity } = this.#tenant;
    const current = identity.rules.version;
    if (version !== undefined && version !== current) {
      throw new TributaryError('TRIBUTARY_IDENTITY_RULES_OUTDATED', { version, current });
    }
    const command = identity.rulesCommand(rules);
    if (!isDryRun) await this.#tenant.changeIdentity(command, nowMicros);
    return current + 1;
  }
}

function identifiersOf(command: PeopleCommand): readonly NamedIdentifier[] {
  switch (command.command) {
    case 'undo':
      return [];
    case 'split':
      return command.identifiers;
    case 'block':
      return [command.identifier];
    case 'link':
    case 'unlink':
      return [command.a, command.b];
  }
}

function requireLength({ value }: NamedIdentifier): void {
  const bytes = Buffer.byteLength(value);
  const limit = LIMITS.identifierBytesMax;
  if (bytes > limit) throw invalid(`a value has ${bytes} bytes, limit ${limit} bytes`);
}

function invalid(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_IDENTITY_COMMAND_INVALID', { reason });
}
