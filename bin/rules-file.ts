/** A rule set of identity from a file, or from standard input for `-`. The appliance checks what is in it. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { TributaryError } from '../base/errors.ts';
import type { CommandContext } from './command-line.ts';

type RuleSet = Readonly<Record<string, unknown>>;

/** @throws TributaryError TRIBUTARY_CONFIG_FILE_UNREADABLE, TRIBUTARY_IDENTITY_RULES_INVALID */
export async function readRulesFile(path: string, context: CommandContext): Promise<RuleSet> {
  return parseRulesFile(await contentOf(path, context));
}

async function contentOf(path: string, { stdin }: CommandContext): Promise<string> {
  if (path === '-') return text(stdin);
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('TRIBUTARY_CONFIG_FILE_UNREADABLE', { path, reason }, cause);
  }
}

function parseRulesFile(written: string): RuleSet {
  let value: unknown;
  try {
    value = JSON.parse(written);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('TRIBUTARY_IDENTITY_RULES_INVALID', { reason }, cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  const reason = 'the file is no JSON object';
  throw new TributaryError('TRIBUTARY_IDENTITY_RULES_INVALID', { reason });
}
