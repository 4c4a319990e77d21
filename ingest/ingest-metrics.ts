/** The metrics of the front door: which figures it has, and where they are read. */
import type { BatchIntake } from './batch-intake.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { Metrics } from './metrics.ts';
import type { StreamServer } from './stream-server.ts';

export function registerIngestMetrics(
  metrics: Metrics,
  { statistics }: BatchIntake,
  inFlight: ByteBudget,
  streams: StreamServer,
): void {
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
}
