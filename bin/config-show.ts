/** `tributary config show`: the configuration in effect, as TOML, with where each value comes from. */
import { type CommandContext, parseCommandLine, requireKnownFlags } from './command-line.ts';
import { helpFor } from './help.ts';
import { formatValue, type OptionName } from './options.ts';
import { readConfiguration, SERVE_FLAGS } from './serve.ts';

/** @returns the exit code. */
export function config(args: readonly string[], context: CommandContext): number {
  const line = parseCommandLine(args, SERVE_FLAGS);
  requireKnownFlags(line, SERVE_FLAGS);
  if (line.words.length !== 1 || line.words[0] !== 'show') {
    context.stderr.write(helpFor('config')!);
    return 2;
  }
  const { values, origins } = readConfiguration(line, context);
  for (const name of Object.keys(values) as OptionName[]) {
    const value = values[name];
    const shown = typeof value === 'number' ? String(value) : JSON.stringify(formatValue(value));
    context.stdout.write(`${`${name} = ${shown}`.padEnd(44)} # ${origins[name]}\n`);
  }
  return 0;
}
