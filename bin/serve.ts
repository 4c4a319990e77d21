/**
 * `tributary serve`: runs the appliance until it is told to stop.
 *
 * People read standard output; the log goes to standard error, one JSON object a line. The first SIGTERM
 * or SIGINT stops in order: no new connections, answer what was taken, sync, close. The second one stops
 * at once; acknowledged events are safe then too, since they were durable before.
 */
import { readFileSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { jsonLogger } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { BootstrapKeys } from '../engine/control.ts';
import { native } from '../native/index.ts';
import { Appliance } from './appliance.ts';
import {
  type CommandContext,
  type CommandLine,
  parseCommandLine,
  requireKnownFlags,
} from './command-line.ts';
import { type ConfigurationFile, type LoadedConfiguration, loadConfiguration } from './config.ts';
import { helpFor } from './help.ts';
import { lakeCredentialsOf } from './lake-store.ts';
import { flagOf, OPTIONS, type OptionName } from './options.ts';
import { readVersion } from './version.ts';
import { describeKeys, describeStart } from './welcome.ts';

/** Names of the flags that take a value. */
export const SERVE_FLAGS: readonly string[] = [
  'config',
  ...(Object.keys(OPTIONS) as OptionName[]).map(flagOf),
];

const BOOTSTRAP_CHARACTERS_MIN = 8;
/** What the thread that answers asks for at a time: most of its work is shorter than that. */
const TURN_MICROS = 300;

/** @returns the exit code. */
export async function serve(args: readonly string[], context: CommandContext): Promise<number> {
  const line = parseCommandLine(args, SERVE_FLAGS);
  requireKnownFlags(line, SERVE_FLAGS);
  if (line.words.length > 0) {
    context.stderr.write(helpFor('serve')!);
    return 2;
  }
  const { values } = readConfiguration(line, context);
  const bootstrap = bootstrapOf(context);
  process.umask(0o077);
  const stopping = signalled();
  native.shortenTurns(TURN_MICROS);
  context.stdout.write(`Tributary ${readVersion()}\n`);
  const opening = Appliance.open({
    configuration: values,
    bootstrap,
    lakeCredentials: lakeCredentialsOf(context.environment),
    clock: systemClock,
    random: systemRandom,
    logger: jsonLogger(values.log_level, (text) => context.stderr.write(text)),
    onKeysIssued: (keys) => context.stdout.write(describeKeys(keys)),
    onProgress: (text) => context.stdout.write(`${text}\n`),
  });
  const appliance = await Promise.race([opening, stopping]);
  if (appliance === undefined) {
    // Recovery only reads what matters; there is nothing to close that the kernel does not.
    context.stdout.write('stopped before it was ready\n');
    process.exit(0);
  }
  context.stdout.write(describeStart(appliance));
  await stopping;
  context.stdout.write('stopping; a second signal stops at once\n');
  await appliance.close();
  context.stdout.write('stopped\n');
  return 0;
}

/** The configuration that `serve` and `config show` have in common. */
export function readConfiguration(line: CommandLine, context: CommandContext): LoadedConfiguration {
  const { config: flag, ...flags } = line.flags;
  const path = flag ?? context.environment['TRIBUTARY_CONFIG'];
  const file = typeof path === 'string' ? readConfigurationFile(path) : undefined;
  const { environment } = context;
  return loadConfiguration(
    file === undefined ? { environment, flags } : { environment, flags, file },
  );
}

function readConfigurationFile(path: string): ConfigurationFile {
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('TRIBUTARY_CONFIG_FILE_MALFORMED', { path, reason }, cause);
  }
}

/** Takes the bootstrap keys out of the environment's reach of messages: a bad one is not printed. */
function bootstrapOf({ environment }: CommandContext): BootstrapKeys {
  const read = (key: string): string | undefined => {
    const value = environment[key];
    if (value === undefined || value.length >= BOOTSTRAP_CHARACTERS_MIN) return value;
    throw new TributaryError('TRIBUTARY_CONFIG_INVALID_VALUE', {
      origin: 'the environment',
      key,
      value: `a text of ${value.length} characters`,
      expected: `${BOOTSTRAP_CHARACTERS_MIN} characters or more`,
    });
  };
  const writeKey = read('TRIBUTARY_BOOTSTRAP_WRITE_KEY');
  const adminKey = read('TRIBUTARY_BOOTSTRAP_ADMIN_KEY');
  if (writeKey !== undefined && writeKey === adminKey) {
    throw new TributaryError('TRIBUTARY_CONFIG_KEYS_ALIKE', {});
  }
  return {
    ...(writeKey !== undefined && { writeKey }),
    ...(adminKey !== undefined && { adminKey }),
  };
}

/** Resolves at the first signal to stop; the second one ends the process. */
function signalled(): Promise<undefined> {
  return new Promise((resolve) => {
    let count = 0;
    const onSignal = (): void => {
      count += 1;
      if (count > 1) process.exit(130);
      resolve(undefined);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
