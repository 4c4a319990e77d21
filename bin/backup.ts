/** `tributary backup`: copies an appliance's data into a directory of backups, lists them, verifies one. */
import { systemClock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { createBackup } from '../engine/backup.ts';
import { lockDataDirectory } from '../engine/engine.ts';
import { verifyBackup } from '../engine/verify.ts';
import { BackupRepository } from '../storage/backup-repository.ts';
import {
  type CommandContext,
  type CommandLine,
  integerFlag,
  parseCommandLine,
  requireKnownFlags,
} from './command-line.ts';
import { dataPlaceOf, openFileSystem, PLACE_FLAGS, pathFlag } from './data-place.ts';
import { makeDirectory, requireDirectory } from './directories.ts';
import { helpFor } from './help.ts';
import { ProgressBar } from './progress-bar.ts';
import { drawingReads, printReport } from './verify.ts';

const FLAGS = [...PLACE_FLAGS, 'to', 'keep'];
const KEEP_MAX = 100_000;

/** @returns the exit code. */
export async function backup(args: readonly string[], context: CommandContext): Promise<number> {
  const line = parseCommandLine(args, FLAGS);
  requireKnownFlags(line, FLAGS);
  const [verb, directory, id, ...rest] = line.words;
  const to = pathFlag(line, 'to');
  if (verb === undefined && to !== undefined) return create(line, to, context);
  if (verb === 'list' && directory !== undefined && id === undefined) {
    return list(requireDirectory('DIR', directory), context);
  }
  if (verb === 'verify' && directory !== undefined && rest.length === 0) {
    return verify(requireDirectory('DIR', directory), id, context);
  }
  context.stderr.write(helpFor('backup')!);
  return 2;
}

async function create(line: CommandLine, to: string, context: CommandContext): Promise<number> {
  const keep = integerFlag(line, 'keep', KEEP_MAX, 1, KEEP_MAX);
  const source = dataPlaceOf(line, context);
  process.umask(0o077);
  const { path: directory } = makeDirectory('--to', to);
  lockDataDirectory(directory, `process ${process.pid}`);
  const repository = new BackupRepository(source.fileSystem, directory);
  await repository.prepare();
  let bar: ProgressBar | undefined;
  const report = await createBackup({
    ...source,
    repository,
    clock: systemClock,
    onProgress({ doneBytes, totalBytes }) {
      bar ??= new ProgressBar(context.stderr, totalBytes);
      bar.draw(doneBytes, formatBytes(doneBytes), doneBytes >= totalBytes);
    },
  });
  const { copiedFiles, copiedBytes, files, bytes } = report;
  context.stdout.write(
    `backup ${report.id}: ${files} files, ${formatBytes(bytes)}; ` +
      `${copiedFiles} files, ${formatBytes(copiedBytes)} of them copied now\n`,
  );
  const forgotten = await repository.keepNewest(keep);
  if (forgotten > 0) context.stdout.write(`${forgotten} older backups removed\n`);
  return 0;
}

async function list(directory: string, { stdout }: CommandContext): Promise<number> {
  const repository = new BackupRepository(openFileSystem(), directory);
  const ids = await repository.list();
  if (ids.length === 0) {
    throw new TributaryError('TRIBUTARY_STORAGE_BACKUP_MISSING', { id: 'at all', path: directory });
  }
  for (const id of ids) {
    const { files } = await repository.read(id);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    stdout.write(`${id}  ${files.length} files, ${formatBytes(bytes)}\n`);
  }
  return 0;
}

async function verify(
  directory: string,
  id: string | undefined,
  context: CommandContext,
): Promise<number> {
  const repository = new BackupRepository(openFileSystem(), directory);
  const manifest = await repository.read(id);
  const totalBytes = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
  const report = await verifyBackup(repository, manifest, drawingReads(context, totalBytes));
  return printReport(`backup ${manifest.id}`, report, context);
}
