/**
 * What passes between the appliance and the process of a what-if: an order as one line of JSON on standard
 * input; on standard output lines of JSON, any number with `progress` and one with `report`.
 */
import type { WhatIfReplayOptions } from '../../engine/what-if/replay.ts';
import type {
  WhatIfFrame,
  WhatIfProgress,
  WhatIfReport,
} from '../../engine/what-if/report-format.ts';
import type { WorkerSettings } from '../worker-protocol.ts';

/** The directory is the process's own, and whoever gives the order empties it. */
export interface WhatIfOrder extends WhatIfReplayOptions, WhatIfFrame {
  /** For DuckDB: the tenant's tables, in the catalogue of history.ts. */
  readonly settings: WorkerSettings & {
    readonly hotDirectory: string;
    readonly dataLimitBytes: number;
  };
}

export type WhatIfLine = { readonly progress: WhatIfProgress } | { readonly report: WhatIfReport };
