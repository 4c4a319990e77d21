/**
 * What a bulk import costs, by the format of its file: the processor time of the appliance and of the
 * processes it starts for the file, per event. Held against NDJSON.
 *
 * Each import is into a new appliance, which takes the first part of the events beforehand so that its
 * code is compiled; the formats take turns.
 */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { KIB } from '../base/units.ts';
import { ApplianceProcess } from './appliance-process.ts';
import { arrowFile, jsonFile, msgpackFile, ndjsonFile, parquetFile } from './event-files.ts';
import { type EventBatch, generateBatches } from './event-generator.ts';
import { FormatCosts } from './format-costs.ts';
import type { Scratch } from './scratch.ts';
import type { Workload } from './workload.ts';

const EVENTS = 400_000;
const BATCH_EVENTS = 100;
/** Imported as NDJSON before anything is measured. */
const WARM_UP_EVENTS = 20_000;
/** Of the file, written at once. */
const PIECE_BYTES = 512 * KIB;

interface ImportFile {
  readonly format: string;
  readonly bytes: Uint8Array;
  readonly costs: FormatCosts;
}

export const importFormats: Workload = {
  name: 'import-formats',
  summary: 'bulk imports of the same events in each format; against NDJSON',
  async run({ options, scratch, report, progress }) {
    const { seed, rounds, events = EVENTS } = options;
    progress(`writing ${events} events in five formats`);
    const total = WARM_UP_EVENTS + events;
    const batches = [...generateBatches({ seed, events: total, batchEvents: BATCH_EVENTS })];
    const warmUp = ndjsonFile(batches.slice(0, WARM_UP_EVENTS / BATCH_EVENTS));
    const files = filesOf(batches.slice(WARM_UP_EVENTS / BATCH_EVENTS));
    for (let round = 1; round <= rounds; round += 1) {
      for (const file of files) await measure(file, warmUp, events, scratch);
      progress(`round ${round}: ${files.map(({ costs }) => costs).join(', ')} µs/event`);
    }
    for (const { costs } of files) costs.report(report, files[0]!.costs);
  },
};

function filesOf(batches: readonly EventBatch[]): ImportFile[] {
  const bytes = {
    ndjson: ndjsonFile(batches),
    json: jsonFile(batches),
    msgpack: msgpackFile(batches),
    arrow: arrowFile(batches),
    parquet: parquetFile(batches),
  };
  return Object.entries(bytes).map(([format, file]) => ({
    format,
    bytes: file,
    costs: new FormatCosts(format, 'µs'),
  }));
}

async function measure(
  file: ImportFile,
  warmUp: Uint8Array,
  events: number,
  scratch: Scratch,
): Promise<void> {
  const dataDirectory = scratch.makeDiskDirectory('data');
  const hotDirectory = scratch.hotPath('hot');
  const appliance = await ApplianceProcess.open(dataDirectory, hotDirectory);
  try {
    await importFile(appliance, 'ndjson', 'warm-up', warmUp);
    const cpuMicros = appliance.cpuMicrosWithChildren;
    const startMs = performance.now();
    const accepted = await importFile(appliance, file.format, 'measured', file.bytes);
    const elapsedMs = performance.now() - startMs;
    file.costs.add(
      (appliance.cpuMicrosWithChildren - cpuMicros) / events,
      (elapsedMs * 1000) / events,
    );
    if (accepted !== events) throw new Error(`${accepted} of ${events} events were accepted`);
  } finally {
    await appliance.close();
    scratch.discard(dataDirectory);
    scratch.discard(hotDirectory);
  }
}

/** @returns events accepted. */
async function importFile(
  { port, writeKey }: ApplianceProcess,
  format: string,
  importId: string,
  file: Uint8Array,
): Promise<number> {
  const upload = request({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: `/v1/import?format=${format}&import_id=${importId}`,
    headers: { authorization: `Bearer ${writeKey}`, 'content-length': file.length },
  });
  const answered = once(upload, 'response');
  // Not fetch: it copies the file before it sends anything, which takes as long as the import.
  for (let at = 0; at < file.length; at += PIECE_BYTES) {
    if (!upload.write(file.subarray(at, at + PIECE_BYTES))) await once(upload, 'drain');
  }
  upload.end();
  const [response] = (await answered) as [IncomingMessage];
  const lines = (await text(response)).trim().split('\n');
  const answer = JSON.parse(lines.at(-1)!) as { state?: string; accepted?: number };
  if (answer.state !== 'complete') throw new Error(`the import ended: ${lines.at(-1)}`);
  return answer.accepted ?? 0;
}
