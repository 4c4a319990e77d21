/**
 * The data directory that `backup` and `verify` work on: named by the options of `serve`, so that they find
 * what the appliance of the same configuration uses.
 */
import { resolve } from 'node:path';
import { TributaryError } from '../base/errors.ts';
import type { BackupSource } from '../engine/backup-plan.ts';
import { native } from '../native/index.ts';
import type { FileSystem } from '../storage/file-system.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import type { CommandContext, CommandLine } from './command-line.ts';
import { requireDirectory } from './directories.ts';
import { readConfiguration } from './serve.ts';

/** Flags of `serve` that say where the data lies. */
export const PLACE_FLAGS = ['config', 'data-dir', 'lake-bucket'] as const;

/** @throws TributaryError TRIBUTARY_CONFIG_DIRECTORY_UNUSABLE */
export function dataPlaceOf(line: CommandLine, context: CommandContext): BackupSource {
  const flags = Object.entries(line.flags).filter(([name]) =>
    (PLACE_FLAGS as readonly string[]).includes(name),
  );
  const { values } = readConfiguration({ ...line, flags: Object.fromEntries(flags) }, context);
  return {
    fileSystem: openFileSystem(),
    dataDirectory: requireDirectory('data_dir', values.data_dir),
    bucket: values.lake_bucket,
  };
}

export function openFileSystem(): FileSystem {
  return new NodeFileSystem(native);
}

/** A flag that names a directory. @returns undefined when it was not given. */
export function pathFlag(line: CommandLine, name: string): string | undefined {
  const value = line.flags[name];
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '') return resolve(value);
  throw new TributaryError('TRIBUTARY_CONFIG_INVALID_VALUE', {
    origin: 'the command line',
    key: `--${name}`,
    value: 'nothing',
    expected: 'a path',
  });
}
