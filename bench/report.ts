/**
 * How figures are printed: one JSON object a line for programs, a table for people.
 *
 * - A ratio is ours against the peer, above 1 = ours is better, whichever way the metric points.
 * - `peer`, `peerValue` and `ratio` are there together or not at all.
 */

export interface Figure {
  readonly workload: string;
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  /** What ran beside us in the same run, and its value of the same metric. */
  readonly peer?: { readonly name: string; readonly value: number };
}

export type Reporter = (figure: Figure) => void;

const DIGITS = 4;
const COLUMNS = [18, 34, 14, 14, 18, 14, 8] as const;

/** `value / peerValue`, or its inverse where lower is better. */
export function ratioOf(value: number, peerValue: number, higherIsBetter: boolean): number {
  return round(higherIsBetter ? value / peerValue : peerValue / value);
}

/** The figure as one line of JSON, without the line's end. */
export function jsonLine(figure: Figure): string {
  const { workload, metric, value, unit, higherIsBetter, peer } = figure;
  const own = { workload, metric, value: round(value), unit, higherIsBetter };
  if (peer === undefined) return JSON.stringify(own);
  const ratio = ratioOf(value, peer.value, higherIsBetter);
  return JSON.stringify({ ...own, peer: peer.name, peerValue: round(peer.value), ratio });
}

export function tableHeader(): string {
  return row(['workload', 'metric', 'value', 'unit', 'peer', 'peer value', 'ratio']);
}

export function tableLine(figure: Figure): string {
  const { workload, metric, value, unit, higherIsBetter, peer } = figure;
  const ratio = peer && String(ratioOf(value, peer.value, higherIsBetter));
  const peerValue = peer && readable(peer.value);
  return row([workload, metric, readable(value), unit, peer?.name, peerValue, ratio]);
}

function row(cells: readonly (string | undefined)[]): string {
  return cells
    .map((cell, index) => (cell ?? '').padEnd(COLUMNS[index]!))
    .join(' ')
    .trimEnd();
}

function readable(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(round(value));
}

function round(value: number): number {
  return Number(value.toPrecision(DIGITS + 2));
}
