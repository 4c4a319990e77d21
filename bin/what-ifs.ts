/** Plugs what-ifs of identity into the front door: one at a time for each tenant, each in a process of its own. */
import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';
import { GIB } from '../base/units.ts';
import { TENANT_CAPACITIES, type TenantCapacities } from '../engine/capacities.ts';
import type { OpenTenant } from '../engine/engine.ts';
import { HISTORY_CATALOG } from '../query/what-if/history.ts';
import { WhatIfJobs } from '../query/what-if/jobs.ts';
import type { WhatIfOrder } from '../query/what-if/order.ts';
import type { FileSystem } from '../storage/file-system.ts';
import type { Configuration } from './options.ts';

export interface WhatIfsOptions {
  readonly tenants: readonly OpenTenant[];
  readonly configuration: Configuration;
  readonly dataDirectory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: RandomSource;
}

/** Rows leave as they are folded: small segments take little memory. */
const CAPACITIES: TenantCapacities = { ...TENANT_CAPACITIES, segmentRows: 16_384 };
/** What the process may have beyond DuckDB's memory and what grows with identity. */
const OVERHEAD_BYTES = GIB;
/** Of anonymous memory for each identifier: the hash table, pairs of anchors and of profiles, both twice while they grow. */
const BYTES_PER_IDENTIFIER = 256;
const SPILL_BYTES_MAX = 32 * GIB;

export class WhatIfs {
  readonly #jobs: ReadonlyMap<string, WhatIfJobs>;

  constructor(options: WhatIfsOptions) {
    const { clock, fileSystem, random, tenants } = options;
    this.#jobs = new Map(
      tenants.map((open) => {
        const orderOf = (rules: unknown, examples: number): WhatIfOrder =>
          makeOrder(options, open, rules, examples);
        return [open.tenant.id, new WhatIfJobs({ orderOf, clock, fileSystem, random })];
      }),
    );
  }

  of(tenantId: string): WhatIfJobs {
    const jobs = this.#jobs.get(tenantId);
    assert(jobs !== undefined, 'every tenant has what-ifs');
    return jobs;
  }

  /** Ends those that run. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#jobs.values()].map((jobs) => jobs.close()));
  }
}

/** @throws TRIBUTARY_IDENTITY_RULES_INVALID */
function makeOrder(
  { configuration, dataDirectory }: WhatIfsOptions,
  { cold, tenant }: OpenTenant,
  next: unknown,
  examples: number,
): WhatIfOrder {
  const { identity } = tenant;
  const command = identity.rulesCommand(next);
  assert(command.command === 'rules', 'a rule set becomes a command that sets it');
  const { version, rules } = command;
  const directory = join(dataDirectory, 'temporary', `${tenant.id}-what-if`);
  const memoryLimitBytes = configuration.query_memory_bytes_max;
  return {
    settings: {
      hotDirectory: tenant.hotDirectory,
      coldDirectory: cold.directory ?? null,
      catalog: HISTORY_CATALOG,
      threads: 1,
      memoryLimitBytes,
      dataLimitBytes: memoryLimitBytes + OVERHEAD_BYTES + BYTES_PER_IDENTIFIER * identity.nodeCount,
      temporaryDirectory: directory,
      temporaryBytesMax: SPILL_BYTES_MAX,
    },
    directory,
    capacities: CAPACITIES,
    sequence: tenant.appliedSequence,
    today: { version: identity.rules.version, identifiers: identity.nodeCount },
    rules: { version, rules },
    examples,
  };
}
