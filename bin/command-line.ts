/** What a command is given: flags, and words that are not flags. Each command says which flags it has. */
import { parseArgs } from 'node:util';
import { TributaryError } from '../base/errors.ts';
import { hintOf, nearestName } from '../base/nearest-name.ts';

export interface CommandLine {
  readonly words: readonly string[];
  /** By name without dashes. A flag given twice keeps its last value. */
  readonly flags: Readonly<Record<string, string | true>>;
  /** Values of flags that may be repeated, in order. */
  readonly lists: Readonly<Record<string, readonly string[]>>;
}

/** The environment and the streams of the process, so that commands are functions of what they see. */
export interface CommandContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/**
 * Takes arguments apart without judging them: a flag that is not in `valued` is `true`.
 * @param repeated flags that may come more than once; the value is their short form.
 */
export function parseCommandLine(
  args: readonly string[],
  valued: readonly string[],
  repeated: Readonly<Record<string, string>> = {},
): CommandLine {
  const single = valued.map((name) => [name, { type: 'string' as const }]);
  const multiple = Object.entries(repeated).map(([name, short]) => [
    name,
    { type: 'string' as const, multiple: true, short },
  ]);
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h' },
      ...Object.fromEntries([...single, ...multiple]),
    },
    strict: false,
    allowPositionals: true,
  });
  const flags: Record<string, string | true> = {};
  const lists: Record<string, readonly string[]> = {};
  for (const [name, value] of Object.entries(values)) {
    if (Array.isArray(value)) lists[name] = value.map(String);
    else if (value !== undefined && value !== false) flags[name] = value;
  }
  return { words: positionals, flags, lists };
}

/** @throws TributaryError TRIBUTARY_CONFIG_UNKNOWN_KEY when a flag is not one of `known`. */
export function requireKnownFlags(line: CommandLine, known: readonly string[]): void {
  for (const flag of Object.keys(line.flags)) {
    if (flag === 'help' || known.includes(flag)) continue;
    const hint = hintOf(nearestName(flag, known), '--');
    const parameters = { origin: 'the command line', key: `--${flag}`, hint };
    throw new TributaryError('TRIBUTARY_CONFIG_UNKNOWN_KEY', parameters);
  }
}

/** A flag that is a whole number. @throws TributaryError TRIBUTARY_CONFIG_INVALID_VALUE */
export function integerFlag(
  line: CommandLine,
  name: string,
  fallback: number,
  minimum: number,
  maximum: number,
): number {
  const written = line.flags[name];
  if (written === undefined) return fallback;
  const value = /^\d+$/.test(String(written)) ? Number(written) : Number.NaN;
  if (value >= minimum && value <= maximum) return value;
  throw new TributaryError('TRIBUTARY_CONFIG_INVALID_VALUE', {
    origin: 'the command line',
    key: `--${name}`,
    value: String(written),
    expected: `a whole number from ${minimum} to ${maximum}`,
  });
}
