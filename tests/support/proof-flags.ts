/**
 * The command line of a proof that is run by hand (sim, fuzz, soak, test:crash): numbers and words with
 * defaults, `--help`, and a clear error for everything else.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';

/** What a flag means and what it is unless told: a number, or of some words the first. */
export interface ProofFlag {
  readonly about: string;
  readonly value: number | readonly [string, ...string[]];
  /** Of a number; 0 unless told. */
  readonly least?: number;
}

type ProofValues<Flags extends Readonly<Record<string, ProofFlag>>> = {
  readonly [Name in keyof Flags]: Flags[Name]['value'] extends number ? number : string;
};

/**
 * Reads the flags of this process. Ends it after `--help` with exit code 0, after anything that is no flag
 * of `command` with 2.
 * @param about what the proof does, a line or two.
 */
export function proofFlags<const Flags extends Readonly<Record<string, ProofFlag>>>(
  command: string,
  about: string,
  flags: Flags,
): ProofValues<Flags> {
  const options: ParseArgsConfig['options'] = { help: { type: 'boolean', short: 'h' } };
  for (const name of Object.keys(flags)) options[name] = { type: 'string' };
  try {
    const { values } = parseArgs({ options });
    if (values['help'] === true) {
      console.log(usage(command, about, flags));
      process.exit(0);
    }
    const read = Object.entries(flags).map(([name, flag]) => [
      name,
      flagValue(name, flag, values[name] as string | undefined),
    ]);
    return Object.fromEntries(read) as ProofValues<Flags>;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage(command, about, flags)}`);
    process.exit(2);
  }
}

function flagValue(
  name: string,
  { value, least = 0 }: ProofFlag,
  text: string | undefined,
): number | string {
  if (typeof value !== 'number') {
    const word = text ?? value[0];
    if (!value.includes(word)) throw new Error(`--${name} is one of ${value.join(', ')}`);
    return word;
  }
  if (text === undefined) return value;
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number) || number < least) {
    throw new Error(`--${name} is a number from ${least}, not "${text}"`);
  }
  return number;
}

function usage(command: string, about: string, flags: Readonly<Record<string, ProofFlag>>): string {
  const lines = Object.entries(flags).map(([name, { about: what, value }]) => {
    const unlessTold = typeof value === 'number' ? value : value[0];
    return `  --${name.padEnd(22)}${what} [${unlessTold}]`;
  });
  return [`npm run ${command} -- [flags]`, '', about, '', ...lines].join('\n');
}
