/** A JSON object from a file, or from standard input for `-`. The appliance checks what is in it. */
import { text } from 'node:stream/consumers';
import { TributaryError } from '../base/errors.ts';
import type { CommandContext } from './command-line.ts';
import { readTextFile } from './text-file.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * @param invalidCode of what is no JSON object.
 * @throws TributaryError TRIBUTARY_CONFIG_FILE_UNREADABLE, or of `invalidCode`.
 */
export async function readJsonFile(
  path: string,
  { stdin }: CommandContext,
  invalidCode: 'TRIBUTARY_IDENTITY_RULES_INVALID' | 'TRIBUTARY_IDENTITY_TRAITS_INVALID',
): Promise<JsonObject> {
  const written = path === '-' ? await text(stdin) : await readTextFile(path);
  let value: unknown;
  try {
    value = JSON.parse(written);
  } catch (cause) {
    throw new TributaryError(invalidCode, { reason: messageOf(cause) }, cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new TributaryError(invalidCode, { reason: 'the file is no JSON object' });
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
