/** The version in package.json, which lies above `bin/` or above `dist/bin/`. */
import { existsSync, readFileSync } from 'node:fs';

const candidates = ['../package.json', '../../package.json'].map(
  (relative) => new URL(relative, import.meta.url),
);

export function readVersion(): string {
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) return 'unknown';
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string };
  return version;
}
