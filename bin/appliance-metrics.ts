/** The metrics of the engine and the query service: sums over tenants, read when they are scraped. */
import type { Engine } from '../engine/engine.ts';
import type { Tenant } from '../engine/tenant.ts';
import type { Metrics } from '../ingest/metrics.ts';
import type { SqlService } from '../query/sql-service.ts';
import type { Queries } from './queries.ts';

export function registerEngineMetrics(metrics: Metrics, engine: Engine): void {
  const sum = (read: (tenant: Tenant) => number) => (): number =>
    engine.tenants.reduce((total, tenant) => total + read(tenant), 0);
  metrics.counter(
    'tributary_engine_events_total',
    'Events committed, whatever became of them; replayed ones not included.',
    sum((tenant) => tenant.statistics.events),
  );
  metrics.counter(
    'tributary_engine_payload_bytes_total',
    'Payload bytes committed.',
    sum((tenant) => tenant.statistics.payloadBytes),
  );
  metrics.counter(
    'tributary_engine_refused_batches_total',
    'Batches the engine refused as a whole.',
    sum((tenant) => tenant.statistics.refusedBatches),
  );
}

export function registerQueryMetrics(metrics: Metrics, queries: Queries): void {
  const sum = (read: (service: SqlService) => number) => (): number =>
    [...queries.services.values()].reduce((total, service) => total + read(service), 0);
  metrics.counters(
    'tributary_query_queries_total',
    'Queries that ended, by how.',
    ['outcome'],
    () => [
      { labels: { outcome: 'finished' }, value: sum(({ counters }) => counters.queriesFinished)() },
      { labels: { outcome: 'failed' }, value: sum(({ counters }) => counters.queriesFailed)() },
      {
        labels: { outcome: 'timed_out' },
        value: sum(({ counters }) => counters.queriesTimedOut)(),
      },
      {
        labels: { outcome: 'cancelled' },
        value: sum(({ counters }) => counters.queriesCancelled)(),
      },
      { labels: { outcome: 'refused' }, value: sum(({ counters }) => counters.queriesRefused)() },
    ],
  );
  metrics.counter(
    'tributary_query_seconds_total',
    'Time that finished queries took, summed.',
    sum(({ counters }) => counters.elapsedMs / 1000),
  );
  metrics.counter(
    'tributary_query_result_bytes_total',
    'Bytes of finished results.',
    sum(({ counters }) => counters.resultBytes),
  );
  metrics.gauge(
    'tributary_query_running',
    'Queries that run.',
    sum(({ state }) => state.running),
  );
  metrics.gauge(
    'tributary_query_queued',
    'Queries that wait for a worker.',
    sum(({ state }) => state.queued),
  );
  metrics.counter(
    'tributary_query_workers_lost_total',
    'Worker processes that ended before they were told to.',
    sum(({ state }) => state.workersLost),
  );
}
