/** `tributary restore`: puts a backup into an empty data directory. */
import { formatBytes } from '../base/units.ts';
import { lockDataDirectory } from '../engine/engine.ts';
import { requireEmpty, restoreBackup } from '../engine/restore.ts';
import { BackupRepository } from '../storage/backup-repository.ts';
import { type CommandContext, parseCommandLine, requireKnownFlags } from './command-line.ts';
import { openFileSystem, pathFlag } from './data-place.ts';
import { makeDirectory, requireDirectory } from './directories.ts';
import { helpFor } from './help.ts';
import { ProgressBar } from './progress-bar.ts';
import { readTextFile } from './text-file.ts';

const FLAGS = ['from', 'to', 'backup', 'erasures'];

/** @returns the exit code. */
export async function restore(args: readonly string[], context: CommandContext): Promise<number> {
  const line = parseCommandLine(args, FLAGS);
  requireKnownFlags(line, FLAGS);
  const from = pathFlag(line, 'from');
  const to = pathFlag(line, 'to');
  const id = line.flags['backup'];
  const list = pathFlag(line, 'erasures');
  if (from === undefined || to === undefined || line.words.length > 0 || id === true) {
    context.stderr.write(helpFor('restore')!);
    return 2;
  }
  const erasures = list === undefined ? undefined : await readTextFile(list);
  const fileSystem = openFileSystem();
  const repository = new BackupRepository(fileSystem, requireDirectory('--from', from));
  const manifest = await repository.read(id);
  process.umask(0o077);
  const { path: dataDirectory } = makeDirectory('--to', to);
  await requireEmpty(fileSystem, dataDirectory);
  lockDataDirectory(dataDirectory, `process ${process.pid}`);
  const total = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
  const bar = new ProgressBar(context.stderr, total);
  await restoreBackup({
    fileSystem,
    repository,
    manifest,
    dataDirectory,
    ...(erasures !== undefined && { erasures }),
    onProgress({ doneBytes, totalBytes }) {
      bar.draw(doneBytes, formatBytes(doneBytes), doneBytes === totalBytes);
    },
  });
  context.stdout.write(
    `restored ${manifest.id}: ${manifest.files.length} files, ${formatBytes(total)}\n`,
  );
  return 0;
}
