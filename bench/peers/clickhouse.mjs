/**
 * ClickHouse (chdb) in a process of its own, driven by bench/peers.ts over node's IPC channel:
 * `{ id, method, argument }` is answered by `{ id, result }` or `{ id, error }`.
 *
 * It gets its best plausible way: one INSERT … SELECT from the NDJSON file, which lies in the page cache;
 * the file is parsed and parts are written by THREADS threads. Parts are synced as they are written, which is not its
 * default: Tributary syncs before it acknowledges, and both are to be durable. Timings leave out opening and closing.
 */
import { dirname } from 'node:path';
import { Session } from 'chdb';

const THREADS = 2;
const SAMPLES_MIN = 5;
const COLUMNS = `
  messageId String,
  type LowCardinality(String),
  event LowCardinality(String),
  name LowCardinality(String),
  userId String,
  anonymousId String,
  groupId String,
  previousId String,
  timestamp DateTime64(3, 'UTC'),
  properties String,
  traits String,
  context String`;

let session;

const methods = {
  open(directory) {
    // It reads lake tables by path only below the working directory.
    process.chdir(dirname(directory));
    session = new Session(directory);
    return { version: session.query('SELECT version()', 'TSV').trim() };
  },

  /** Loads a file into a new table `events`. */
  async insert(path) {
    session.query('DROP TABLE IF EXISTS events SYNC');
    session.query(`CREATE TABLE events (${COLUMNS}) ENGINE = MergeTree ORDER BY timestamp
      SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`);
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    await session.queryAsync(`
      INSERT INTO events SELECT * FROM file(${quote(path)}, JSONEachRow, ${quote(COLUMNS)})
      SETTINGS date_time_input_format = 'best_effort', max_threads = ${THREADS},
        max_insert_threads = ${THREADS}, input_format_parallel_parsing = 1`);
    const elapsedMs = performance.now() - startMs;
    const { user, system } = process.cpuUsage(cpu);
    const rows = Number(session.query('SELECT count() FROM events'));
    return { rows, elapsedMs, cpuMicros: user + system };
  },

  /** Runs a query again and again for `seconds`. */
  query({ sql, seconds }) {
    const text = `${sql} SETTINGS max_threads = ${THREADS}`;
    const rows = session.query(text, 'JSONCompactEachRow').trim().split('\n');
    const samplesMs = [];
    const endMs = performance.now() + seconds * 1000;
    while (samplesMs.length < SAMPLES_MIN || performance.now() < endMs) {
      const startMs = performance.now();
      session.query(text, 'JSONCompactEachRow');
      samplesMs.push(performance.now() - startMs);
    }
    samplesMs.sort((a, b) => a - b);
    return { medianMs: samplesMs[samplesMs.length >> 1], rows: rows.length };
  },

  rows(sql) {
    const settings = 'output_format_json_quote_64bit_integers = 1';
    const text = session.query(`${sql} SETTINGS ${settings}`, 'JSONCompactEachRow').trim();
    return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line));
  },

  /** Runs a statement that gives no rows. */
  execute(sql) {
    session.query(sql);
  },

  close() {
    session?.close();
    setImmediate(() => process.disconnect());
  },
};

function quote(text) {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

process.on('disconnect', () => process.exit());
process.on('message', async ({ id, method, argument }) => {
  try {
    process.send({ id, result: (await methods[method](argument)) ?? null });
  } catch (error) {
    process.send({ id, error: String(error) });
  }
});
