/** What queries that begin now read of a table's cold files: the newest list in the hot directory. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseColdList } from '../../storage/cold-list.ts';

export function newestColdList(
  hotDirectory: string,
  table: string,
): ReturnType<typeof parseColdList> {
  const versions = readdirSync(hotDirectory)
    .map((name) => new RegExp(`^${table}-(\\d+)\\.cold$`).exec(name)?.[1])
    .filter((version) => version !== undefined)
    .map(Number);
  return parseColdList(readFileSync(join(hotDirectory, `${table}-${Math.max(...versions)}.cold`)));
}
