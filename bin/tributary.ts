#!/usr/bin/env node
/**
 * The `tributary` command: finds the subcommand and turns what it throws into a message and an exit code:
 * 0 done, 1 failed, 2 used wrongly.
 */
import { TributaryError } from '../base/errors.ts';
import type { CommandContext } from './command-line.ts';
import { helpFor } from './help.ts';
import { readVersion } from './version.ts';

type Command = (args: readonly string[], context: CommandContext) => number | Promise<number>;

/** Loaded when called: `tributary send` needs neither the native addon nor the engine. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serve,
  sql: async () => (await import('./sql.ts')).sql,
  send: async () => (await import('./send.ts')).send,
  'dead-letters': async () => (await import('./dead-letters.ts')).deadLetters,
  lake: async () => (await import('./lake.ts')).lake,
  identity: async () => (await import('./identity.ts')).identity,
  erase: async () => (await import('./erasures.ts')).erase,
  erasures: async () => (await import('./erasures.ts')).erasures,
  backup: async () => (await import('./backup.ts')).backup,
  restore: async () => (await import('./restore.ts')).restore,
  verify: async () => (await import('./verify.ts')).verify,
  config: async () => (await import('./config-show.ts')).config,
};

async function main(args: readonly string[], context: CommandContext): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--version' || name === '-v') {
    context.stdout.write(`${readVersion()}\n`);
    return 0;
  }
  const asksForHelp = name === undefined || ['help', '--help', '-h'].includes(name);
  if (asksForHelp || rest.includes('--help') || rest.includes('-h')) {
    return showHelp(asksForHelp ? rest[0] : name, context, name === undefined ? 2 : 0);
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) return showHelp(name, context, 2);
  const command = await load();
  return command(rest, context);
}

function showHelp(command: string | undefined, context: CommandContext, code: number): number {
  const text = helpFor(command);
  if (text === undefined) {
    context.stderr.write(
      `There is no command ${JSON.stringify(command)}.\n\n${helpFor(undefined)}`,
    );
    return 2;
  }
  (code === 0 ? context.stdout : context.stderr).write(text);
  return code;
}

function describe(error: unknown): string {
  if (error instanceof TributaryError) {
    return [`${error.code}: ${error.message}`, error.help].filter(Boolean).join('\n');
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const { env: environment, stdin, stdout, stderr } = process;
try {
  process.exitCode = await main(process.argv.slice(2), { environment, stdin, stdout, stderr });
} catch (error) {
  stderr.write(`${describe(error)}\n`);
  process.exitCode = 1;
}
