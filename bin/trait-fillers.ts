/** One filler of kept traits for each tenant, which reads by the tenant's own query service. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { OpenTenant } from '../engine/engine.ts';
import { TraitFiller } from '../engine/trait-filler.ts';
import type { SqlExecutor } from '../ingest/ports.ts';
import { readSaidTraits } from '../ingest/said-traits.ts';

export interface TraitFillersOptions {
  readonly tenants: readonly OpenTenant[];
  readonly executor: SqlExecutor;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class TraitFillers {
  readonly #fillers: readonly TraitFiller[];

  /** They begin at once. */
  constructor({ tenants, executor, clock, logger }: TraitFillersOptions) {
    this.#fillers = tenants.map(({ tenant }) => {
      const filler = new TraitFiller({
        tenant,
        read: (...request) => readSaidTraits(executor, ...request),
        clock,
        logger,
      });
      filler.start();
      return filler;
    });
  }

  /** Idempotent. */
  close(): void {
    for (const filler of this.#fillers) filler.close();
  }
}
