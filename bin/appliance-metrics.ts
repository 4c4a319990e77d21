/** The metrics of the engine and the query service: sums over tenants, read when they are scraped. */
import type { Clock } from '../base/clock.ts';
import { SECOND_MICROS } from '../base/units.ts';
import type { Engine, OpenTenant } from '../engine/engine.ts';
import { ERASURE_STATES, type Erasure, stateOf } from '../engine/erasure-ledger.ts';
import type { Tenant } from '../engine/tenant.ts';
import type { Metrics } from '../ingest/metrics.ts';
import type { SqlService } from '../query/sql-service.ts';
import type { Queries } from './queries.ts';
import type { Upkeep } from './upkeep.ts';

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

/** How far the lake is behind, and what went into it. */
export function registerFlushMetrics(metrics: Metrics, engine: Engine): void {
  const sum = (read: (open: OpenTenant) => number) => (): number =>
    engine.openTenants.reduce((total, open) => total + read(open), 0);
  metrics.gauge(
    'tributary_hot_bytes',
    'Memory that hot segments take.',
    sum(({ tenant }) => tenant.hot.budget.usedBytes),
  );
  metrics.gauge(
    'tributary_hot_spare_bytes',
    'The part of it that flushed segments left for those to come.',
    sum(({ tenant }) => tenant.hot.spareBytes),
  );
  metrics.counter(
    'tributary_hot_segments_reused_total',
    'Segments made of the memory of flushed ones.',
    sum(({ tenant }) => tenant.hot.segmentsReused),
  );
  metrics.gauge(
    'tributary_flush_waiting_bytes',
    'Memory of hot rows that are not in the lake yet.',
    sum(({ flusher }) => flusher.unflushedBytes),
  );
  metrics.gauge(
    'tributary_flush_lag_seconds',
    'How long the oldest row has waited for the lake, of all tenants.',
    () => Math.max(0, ...engine.openTenants.map(({ flusher }) => flusher.lagMs)) / 1000,
  );
  const counters = [
    ['flushes_total', 'Flushes that ended well.', 'flushes'],
    ['failures_total', 'Flushes that failed; their rows stayed hot.', 'failures'],
    ['rows_total', 'Rows that went into the lake.', 'rows'],
    ['files_total', 'Data files that went into the lake.', 'files'],
    ['bytes_total', 'Bytes of those files.', 'bytes'],
  ] as const;
  for (const [name, help, field] of counters) {
    metrics.counter(
      `tributary_flush_${name}`,
      help,
      sum(({ flusher }) => flusher.statistics[field]),
    );
  }
  metrics.counter(
    'tributary_flush_seconds_total',
    'Time that flushes took.',
    sum(({ flusher }) => flusher.statistics.elapsedMs / 1000),
  );
  metrics.counter(
    'tributary_checkpoints_total',
    'Checkpoints that were made.',
    sum(({ checkpointer }) => checkpointer?.statistics.checkpoints ?? 0),
  );
  metrics.counter(
    'tributary_checkpoint_failures_total',
    'Checkpoints that could not be made; those before stayed.',
    sum(({ checkpointer }) => checkpointer?.statistics.failures ?? 0),
  );
  metrics.counter(
    'tributary_checkpoints_overtaken_total',
    'Checkpoints that the log overtook, and that were begun again at full priority.',
    sum(({ checkpointer }) => checkpointer?.statistics.overtaken ?? 0),
  );
  metrics.gauge(
    'tributary_checkpoint_bytes',
    'Size of the last checkpoints that were made, of all tenants.',
    sum(({ checkpointer }) => checkpointer?.statistics.bytes ?? 0),
  );
  metrics.gauge(
    'tributary_log_bytes',
    'Size of the files of the logs.',
    sum(({ tenant }) => tenant.logBytes),
  );
  metrics.gauge(
    'tributary_log_failed',
    'Tenants whose log met a failed write or sync: they refuse batches until a restart.',
    sum(({ tenant }) => (tenant.failure === undefined ? 0 : 1)),
  );
  metrics.counter(
    'tributary_log_files_removed_total',
    'Files of the logs that were removed, since checkpoints made them unneeded.',
    sum(({ checkpointer }) => checkpointer?.statistics.removedLogFiles ?? 0),
  );
}

/** How far what was erased has come on its way off the disk. */
export function registerErasureMetrics(metrics: Metrics, engine: Engine, clock: Clock): void {
  const all = (): readonly Erasure[] => engine.tenants.flatMap(({ erasures }) => erasures.all);
  metrics.gauges('tributary_erasures', 'Erasures, by how far they have come.', ['state'], () => {
    const states = all().map(stateOf);
    return ERASURE_STATES.map((state) => ({
      labels: { state },
      value: states.filter((other) => other === state).length,
    }));
  });
  metrics.gauge(
    'tributary_erasure_lag_seconds',
    'How long the oldest erasure of which a copy is left was asked for; 0 when there is none.',
    () => {
      const requested = all().flatMap((erasure) =>
        stateOf(erasure) === 'gone' ? [] : [erasure.requestedAtMicros],
      );
      if (requested.length === 0) return 0;
      const oldest = requested.reduce((least, time) => Math.min(least, time));
      return (clock.nowMicros() - oldest) / SECOND_MICROS;
    },
  );
}

/** What maintenance did, and how long the disk's room lasts. */
export function registerUpkeepMetrics(metrics: Metrics, upkeep: Upkeep): void {
  const { maintenance, identity, disk } = upkeep;
  const counters = [
    ['compaction_jobs_total', 'Compaction jobs that ended well.', 'rewrites'],
    ['compaction_failures_total', 'Compaction jobs that failed.', 'rewriteFailures'],
    ['compaction_files_total', 'Files that compaction replaced.', 'rewrittenFiles'],
    ['compaction_rows_total', 'Rows of those files.', 'rewrittenRows'],
    ['compaction_read_bytes_total', 'Bytes of those files.', 'bytesRead'],
    ['compaction_written_bytes_total', 'Bytes of the files it wrote.', 'bytesWritten'],
    ['retention_files_total', 'Files that were dropped for their age.', 'droppedFiles'],
    ['retention_rows_total', 'Rows of those files.', 'droppedRows'],
    [
      'lake_expired_snapshots_total',
      'Snapshots of the lake that were forgotten.',
      'expiredSnapshots',
    ],
    ['lake_deleted_objects_total', 'Objects that went with them.', 'deletedObjects'],
    ['lake_orphans_total', 'Objects of no snapshot that went to the trash.', 'orphans'],
  ] as const;
  for (const [name, help, field] of counters) {
    metrics.counter(`tributary_${name}`, help, () => maintenance.statistics[field]);
  }
  metrics.counter(
    'tributary_compaction_seconds_total',
    'Time that compaction jobs took.',
    () => maintenance.statistics.rewriteMs / 1000,
  );
  const writes = [
    ['writes_total', 'Times that profiles and identifiers were written to the lake.', 'writes'],
    ['failures_total', 'Times that they could not be; those before stayed.', 'failures'],
    ['rows_total', 'Rows that were written.', 'rows'],
    ['bytes_total', 'Bytes that were written.', 'bytes'],
  ] as const;
  for (const [name, help, field] of writes) {
    metrics.counter(`tributary_lake_profiles_${name}`, help, () => identity.statistics[field]);
  }
  metrics.counter(
    'tributary_lake_profiles_seconds_total',
    'Time that it took, with the checkpoints before.',
    () => identity.statistics.elapsedMs / 1000,
  );
  metrics.gauge(
    'tributary_maintenance_running',
    'Tasks of maintenance that run or wait.',
    () => maintenance.taskCount,
  );
  metrics.gauge(
    'tributary_disk_seconds_to_full',
    'Time until batches are refused for lack of disk space, at the rate of the last minutes.',
    () => disk.secondsToFull,
  );
  metrics.gauge(
    'tributary_disk_short',
    '1 while free disk space is below the high mark, and maintenance saves it.',
    () => Number(disk.isShort),
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
  const cold = [
    ['files_read_total', 'Cold files that queries read.', 'filesRead'],
    ['files_skipped_total', 'Cold files that queries left out by their bounds.', 'filesSkipped'],
    ['bytes_read_total', 'Size of the cold files that queries read.', 'bytesRead'],
    ['bytes_skipped_total', 'Size of the cold files that queries left out.', 'bytesSkipped'],
  ] as const;
  for (const [name, help, field] of cold) {
    metrics.counter(
      `tributary_query_${name}`,
      help,
      sum(({ counters }) => counters[field]),
    );
  }
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
