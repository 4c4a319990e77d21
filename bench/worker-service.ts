/** Query workers as the appliance has them, for benchmarks of the whole way of a statement. */
import { systemClock } from '../base/clock.ts';
import { jsonLogger } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { GIB } from '../base/units.ts';
import { HOT_CATALOG } from '../query/catalog.ts';
import { SQL_SERVICE_DEFAULTS, SqlService } from '../query/sql-service.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import { THREADS } from './query-turns.ts';
import type { Scratch } from './scratch.ts';

const WORKER_MEMORY_BYTES = 4 * GIB;

/** One worker over the hot data, and over the cold where there is some. */
export function openWorkerService(
  hotDirectory: string,
  coldDirectory: string | null,
  scratch: Scratch,
): Promise<SqlService> {
  return SqlService.open(
    {
      ...SQL_SERVICE_DEFAULTS,
      workerCount: 1,
      settings: {
        hotDirectory,
        coldDirectory,
        catalog: HOT_CATALOG,
        threads: THREADS,
        memoryLimitBytes: WORKER_MEMORY_BYTES,
        dataLimitBytes: WORKER_MEMORY_BYTES + GIB,
        temporaryDirectory: scratch.diskPath('temporary'),
        temporaryBytesMax: GIB,
      },
    },
    {
      clock: systemClock,
      random: systemRandom,
      fileSystem: new NodeFileSystem(),
      logger: jsonLogger('warn', (line) => process.stderr.write(line)),
    },
  );
}
