/** Takes a replay through a tenant's history: events, and between them what an operator said, by sequence. */
import { statementOf } from '../../identity/operator-statement.ts';
import type { PastEdge, TenantHistory } from './history.ts';
import type { WhatIfReplay } from './replay.ts';
import type { WhatIfProgress } from './report-format.ts';

/** Sequences that are sorted at once. A day's files may be read again for each. */
const WINDOW = 4_000_000;
/** Progress is told once in so many events. */
const PROGRESS_EVENTS = 100_000;

/** @param last the last sequence that counts. @param tell is given progress, now and then. */
export async function foldHistory(
  history: TenantHistory,
  replay: WhatIfReplay,
  last: number,
  tell: (progress: WhatIfProgress) => Promise<void>,
): Promise<void> {
  for (let first = 1; first <= last; first += WINDOW) {
    const range = { first, last: Math.min(first + WINDOW - 1, last) };
    const said = commandsOf(await history.manualEdges(range));
    let next = 0;
    const sayUpTo = (sequence: number): void => {
      for (; next < said.length && said[next]![0]!.sequence < sequence; next += 1) {
        restate(said[next]!, replay);
      }
    };
    let told = replay.events;
    for await (const events of history.events(range)) {
      for (const event of events) {
        sayUpTo(event.sequence);
        replay.add(event);
      }
      replay.settle();
      if (replay.events - told < PROGRESS_EVENTS) continue;
      told = replay.events;
      await tell({ events: told, share: events.at(-1)!.sequence / last });
    }
    sayUpTo(Number.POSITIVE_INFINITY);
    await tell({ events: replay.events, share: range.last / last });
  }
  replay.finish();
}

/** The rows of each sequence: those of one command. */
function commandsOf(edges: readonly PastEdge[]): PastEdge[][] {
  const commands: PastEdge[][] = [];
  for (const edge of edges) {
    if (commands.at(-1)?.[0]?.sequence === edge.sequence) commands.at(-1)!.push(edge);
    else commands.push([edge]);
  }
  return commands;
}

function restate(edges: readonly PastEdge[], replay: WhatIfReplay): void {
  const statement = statementOf(edges);
  const { sequence, receivedAtMicros } = edges[0]!;
  if (statement !== undefined) replay.restate(statement, sequence, receivedAtMicros);
}
