/** The metrics of the front door: which figures it has, and where they are read. */
import type { BatchIntake } from './batch-intake.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { DiskWatch } from './disk-watch.ts';
import type { LakeFigures } from './lake-routes.ts';
import type { Metrics } from './metrics.ts';
import type { StreamServer } from './stream-server.ts';
import type { ConnectionCount } from './uws.ts';

export interface IngestFigures {
  readonly intake: BatchIntake;
  readonly inFlight: ByteBudget;
  readonly streams: StreamServer;
  readonly connections: ConnectionCount;
  readonly disk: DiskWatch;
  readonly lake: LakeFigures;
}

export function registerIngestMetrics(metrics: Metrics, figures: IngestFigures): void {
  const { connections, disk, inFlight, lake, streams } = figures;
  const { statistics } = figures.intake;
  metrics.counter(
    'tributary_ingest_batches_total',
    'Batches made durable and acknowledged.',
    () => statistics.batches,
  );
  metrics.counter(
    'tributary_ingest_bytes_total',
    'Payload bytes of acknowledged batches, after decompression.',
    () => statistics.bytes,
  );
  metrics.counters(
    'tributary_ingest_events_total',
    'Events of acknowledged batches, by what became of them.',
    ['outcome'],
    () => [
      { labels: { outcome: 'accepted' }, value: statistics.accepted },
      { labels: { outcome: 'duplicate' }, value: statistics.duplicates },
      { labels: { outcome: 'rejected' }, value: statistics.rejected },
    ],
  );
  metrics.counters(
    'tributary_ingest_refused_batches_total',
    'Batches refused as a whole: for what they are, or for want of room or health.',
    ['reason'],
    () => [
      { labels: { reason: 'request' }, value: statistics.refusedByRequest },
      { labels: { reason: 'load' }, value: statistics.refusedByLoad },
    ],
  );
  metrics.counters(
    'tributary_ingest_retries_total',
    'Requests that say they are a retry (X-Retry-Count), by attempt: many mean that we are too slow.',
    ['attempt'],
    () => [
      { labels: { attempt: '1' }, value: statistics.firstRetries },
      { labels: { attempt: '2-4' }, value: statistics.nextRetries },
      { labels: { attempt: '5+' }, value: statistics.laterRetries },
    ],
  );
  metrics.counter(
    'tributary_ingest_append_seconds_total',
    'Time from handing batches to the engine until they were durable, summed.',
    () => statistics.appendSeconds,
  );
  metrics.gauge(
    'tributary_ingest_in_flight_bytes',
    'Bytes of batches that are being received or written.',
    () => inFlight.used,
  );
  metrics.gauge('tributary_ingest_streams', 'Open WebSocket streams.', () => streams.socketCount);
  metrics.gauge('tributary_ingest_connections', 'Open connections.', () => connections.open);
  metrics.counter(
    'tributary_ingest_refused_connections_total',
    'Connections that were closed at once, because too many were open.',
    () => connections.refused,
  );
  metrics.gauge(
    'tributary_ingest_disk_free_bytes',
    'Bytes free on the volume of the log; below disk_free_bytes_min batches are refused.',
    () => disk.freeBytes,
  );
  metrics.counters(
    'tributary_lake_requests_total',
    'Answers to other engines, by door (catalog, objects) and class of status.',
    ['door', 'status'],
    () => [...lake].map(({ door, status, count }) => ({ labels: { door, status }, value: count })),
  );
  metrics.counter(
    'tributary_lake_sent_bytes_total',
    'Bytes of objects of the lake that were sent to other engines.',
    () => lake.sentBytes,
  );
}
