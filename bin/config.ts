/**
 * The configuration: defaults, then the TOML file, then the environment, then flags; the later wins.
 *
 * Pure: it is given all it looks at, so tests give it anything. Every value keeps where it came from, for
 * error messages and for `tributary config show`.
 *
 * - A name that is not an option is an error, with the nearest name as a hint: a typing mistake must not
 *   silently leave a default in force.
 * - A value is checked where it was written, and the message says where.
 */
import { TributaryError } from '../base/errors.ts';
import { hintOf, nearestName } from '../base/nearest-name.ts';
import {
  type Configuration,
  flagOf,
  OPTIONS,
  type OptionName,
  OTHER_VARIABLES,
  variableOf,
} from './options.ts';
import { parseToml } from './toml.ts';

export interface ConfigurationFile {
  readonly path: string;
  readonly text: string;
}

export interface ConfigurationSources {
  readonly file?: ConfigurationFile;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Flags by their name without dashes: `data-dir`. */
  readonly flags: Readonly<Record<string, string | true>>;
}

export interface LoadedConfiguration {
  readonly values: Configuration;
  /** Where each value came from: `default`, a path, a variable, a flag. */
  readonly origins: Readonly<Record<OptionName, string>>;
}

/** One value as somebody wrote it. */
interface Setting {
  readonly name: OptionName;
  readonly written: unknown;
  readonly origin: string;
  /** The name as it is spelled there. */
  readonly key: string;
}

const NAMES = Object.keys(OPTIONS) as OptionName[];
const PREFIX = 'TRIBUTARY_';

/** @throws TributaryError TRIBUTARY_CONFIG_UNKNOWN_KEY, _INVALID_VALUE or _FILE_MALFORMED */
export function loadConfiguration(sources: ConfigurationSources): LoadedConfiguration {
  const values: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const name of NAMES) {
    values[name] = OPTIONS[name].fallback;
    origins[name] = 'default';
  }
  const settings = [
    ...settingsOfFile(sources.file),
    ...settingsOfEnvironment(sources.environment),
    ...settingsOfFlags(sources.flags),
  ];
  for (const setting of settings) {
    values[setting.name] = readSetting(setting);
    origins[setting.name] = setting.origin;
  }
  return Object.freeze({
    values: Object.freeze(values) as unknown as Configuration,
    origins: Object.freeze(origins) as Record<OptionName, string>,
  });
}

function readSetting({ name, written, origin, key }: Setting): unknown {
  const { type } = OPTIONS[name];
  const isScalar = ['string', 'number', 'bigint'].includes(typeof written);
  const value = isScalar ? type.parse(written) : undefined;
  if (value !== undefined) return value;
  throw new TributaryError('TRIBUTARY_CONFIG_INVALID_VALUE', {
    origin,
    key,
    value:
      written === true && key.startsWith('--')
        ? 'nothing'
        : JSON.stringify(typeof written === 'bigint' ? String(written) : written),
    expected: type.expected,
  });
}

function settingsOfFile(file: ConfigurationFile | undefined): Setting[] {
  if (file === undefined) return [];
  const { path, text } = file;
  return Object.entries(parseFile(path, text)).map(([key, written]) => {
    const name = NAMES.find((candidate) => candidate === key);
    return { name: name ?? refuse(path, key, NAMES), written, origin: path, key };
  });
}

function parseFile(path: string, text: string): Record<string, unknown> {
  try {
    return parseToml(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('TRIBUTARY_CONFIG_FILE_MALFORMED', { path, reason }, cause);
  }
}

function settingsOfEnvironment(environment: ConfigurationSources['environment']): Setting[] {
  const known = [...NAMES.map(variableOf), ...Object.keys(OTHER_VARIABLES)];
  const settings: Setting[] = [];
  for (const [key, written] of Object.entries(environment)) {
    if (!key.startsWith(PREFIX) || written === undefined) continue;
    if (Object.hasOwn(OTHER_VARIABLES, key)) continue;
    const name = NAMES.find((candidate) => variableOf(candidate) === key);
    const origin = 'the environment';
    settings.push({ name: name ?? refuse(origin, key, known), written, origin, key });
  }
  return settings;
}

function settingsOfFlags(flags: ConfigurationSources['flags']): Setting[] {
  return Object.entries(flags).map(([flag, written]) => {
    const origin = 'the command line';
    const name = NAMES.find((candidate) => flagOf(candidate) === flag);
    const known = NAMES.map((candidate) => `--${flagOf(candidate)}`);
    return { name: name ?? refuse(origin, `--${flag}`, known), written, origin, key: `--${flag}` };
  });
}

function refuse(origin: string, key: string, known: readonly string[]): never {
  const hint = hintOf(nearestName(key, known));
  throw new TributaryError('TRIBUTARY_CONFIG_UNKNOWN_KEY', { origin, key, hint });
}
