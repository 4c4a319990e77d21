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
import { parseDeclaredTraits, type TraitDeclarations } from './declared-traits.ts';
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

export interface TraitsChange {
  /** As JSON, not yet checked. */
  readonly traits: unknown;
  /** As of {@link RulesChange}. */
  readonly version: number | undefined;
  readonly isDryRun: boolean;
}

/** What identity knows of a profile by itself; all else about it is in its anchors' events. */
export interface KnownProfile {
  readonly profile: string;
  readonly identifiers: readonly NamedIdentifier[];
  /** Ascending. */
  readonly anchors: readonly number[];
  /** Event times of its first and last event, microseconds since 1970; null without events. */
  readonly seen: { readonly firstMicros: number; readonly lastMicros: number } | null;
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
    return this.#tenant.commands.changeIdentity(parsed, nowMicros);
  }

  /**
   * The profile an identifier belongs to today; undefined when it was never seen or names nobody.
   * @throws TRIBUTARY_IDENTITY_TYPE_UNKNOWN
   */
  profileOf({ type, value }: NamedIdentifier): KnownProfile | undefined {
    return this.#describe(this.#tenant.identity.profileOf(type, value));
  }

  /** The profile that an id leads to today, its own or a former one; undefined when it is none. */
  profileWithId(id: string): KnownProfile | undefined {
    const { profiles } = this.#tenant.identity;
    const profile = profiles.profileWithId(id);
    return this.#describe(profile === 0 ? 0 : profiles.currentOf(profile));
  }

  /** The id that an id, former or not, leads to today; undefined when it is none. */
  currentId(id: string): string | undefined {
    const { profiles } = this.#tenant.identity;
    const profile = profiles.profileWithId(id);
    return profile === 0 ? undefined : profiles.idOf(profiles.currentOf(profile));
  }

  /** When the first and the last event of `anchors` happened, microseconds since 1970; null without. */
  seenMicros(anchors: readonly number[]): KnownProfile['seen'] {
    return this.#tenant.identity.profiles.seenMicros(anchors);
  }

  #describe(profile: number): KnownProfile | undefined {
    if (profile === 0) return undefined;
    const { identity } = this.#tenant;
    const { profiles } = identity;
    const anchors = profiles.anchorsOf(profile);
    const nodes = [...new Set(anchors.map((anchor) => profiles.nodeOf(anchor)))];
    return {
      profile: profiles.idOf(profile),
      identifiers: nodes.map((node) => ({
        type: identity.typeOf(node),
        value: identity.valueOf(node),
      })),
      anchors,
      seen: profiles.seenMicros(anchors),
    };
  }

  /** The JSON form of the rules, with their version. */
  get rules(): { readonly version: number } & Readonly<Record<string, unknown>> {
    const { rules } = this.#tenant.identity;
    return { version: rules.version, ...rulesToJson(rules) };
  }

  /** The traits that are declared, with their version. */
  get declarations(): TraitDeclarations {
    return this.#tenant.declarations;
  }

  /**
   * @param traits as JSON, not yet checked. @returns the version that they have by it.
   * @throws TributaryError as a rejection: TRIBUTARY_IDENTITY_TRAITS_INVALID, or as Tenant.declareTraits does.
   */
  async declareTraits(
    { traits, version, isDryRun }: TraitsChange,
    nowMicros: number,
  ): Promise<number> {
    const parsed = parseDeclaredTraits(traits);
    if (!isDryRun) return this.#tenant.commands.declareTraits(parsed, version, nowMicros);
    const current = this.declarations.version;
    if (version === undefined || version === current) return current + 1;
    throw new TributaryError('TRIBUTARY_IDENTITY_TRAITS_OUTDATED', { version, current });
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
    if (!isDryRun) await this.#tenant.commands.changeIdentity(command, nowMicros);
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
    case 'unblock':
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
