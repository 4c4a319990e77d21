/** The graph database that our components are held against, in a process of its own (bench/peers/kuzu.mjs). */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const PROGRAM = [join(here, 'peers/kuzu.mjs'), join(here, '../../bench/peers/kuzu.mjs')].find(
  (path) => existsSync(path),
);

export interface KuzuComponents {
  readonly version: string;
  /** Nodes and edges, from CSV. */
  readonly loadMs: number;
  readonly componentsMs: number;
  /** The component of node n at n; numbers of its own. */
  readonly components: Uint32Array;
}

/** Whether it can be started without a download. */
export function isKuzuInstalled(): boolean {
  return (
    PROGRAM !== undefined && existsSync(join(dirname(PROGRAM), 'node_modules/kuzu/kuzujs.node'))
  );
}

/** @param directory to work in; it exists. */
export async function kuzuComponents(
  directory: string,
  nodesPath: string,
  edgesPath: string,
): Promise<KuzuComponents> {
  const path = join(directory, 'components');
  const args = [PROGRAM!, directory, nodesPath, edgesPath, path];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const told = JSON.parse(stdout) as Omit<KuzuComponents, 'components'>;
  const bytes = readFileSync(path);
  const components = new Uint32Array(bytes.length / 4);
  new Uint8Array(components.buffer).set(bytes);
  return { ...told, components };
}
