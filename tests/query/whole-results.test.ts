/**
 * A result that ends early says so: whatever stops a statement in the middle of its result, no client can take
 * the rows that it got for all there are.
 *
 * Regression: a test of `kill -9` counted 58,406 events as lost. The processors were busy, the statement ran out of
 * time after 56 chunks of 2,048 rows, and the test had not looked at the end of the answer.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import type { ResultFormat } from '../../query/result-formats.ts';
import type { SqlRequest } from '../../query/sql-request.ts';
import type { SqlQuery, SqlService } from '../../query/sql-service.ts';
import { type Answer, CollectingSink, openService, requestOf, rowsOf } from './sql-fixture.ts';

const SEED = 20261122;
const ROWS = 60_000;
/** Sorted, as what was cut short then. */
const SQL = `SELECT i, 'm' || i AS id FROM range(${ROWS}) numbers(i) ORDER BY hash(i)`;
const TIMES = 16;

type Stop = (query: SqlQuery, service: SqlService) => void;

const STOPS: Readonly<Record<string, Stop>> = {
  'its client cancels it': (query) => query.cancel(),
  'its worker is killed': (_, { state, workerProcessIds }) => {
    if (state.running > 0) process.kill(workerProcessIds[0]!, 'SIGKILL');
  },
};

for (const [what, stop] of Object.entries(STOPS)) {
  test(`a result is whole or says that it is not when ${what}`, async (context) => {
    await stopAnywhere(context, async (service, request, afterMs) => {
      const sink = slowSink();
      const query = service.execute(request, sink);
      setTimeout(() => stop(query, service), afterMs);
      return sink.answer;
    });
  });
}

test('a result is whole or says that it is not when its time is over', async (context) => {
  await stopAnywhere(context, (service, request, afterMs) => {
    const sink = slowSink();
    service.execute({ ...request, timeoutMs: Math.ceil(afterMs) }, sink);
    return sink.answer;
  });
});

/** Gets its bytes in portions, so that there is a middle of the result. */
function slowSink(): CollectingSink {
  const sink = new CollectingSink(() => {
    setImmediate(() => sink.drain());
    return false;
  });
  return sink;
}

/** Asks again and again, and stops the statement at moments from its start to a little after its end. */
async function stopAnywhere(
  context: TestContext,
  askAndStop: (service: SqlService, request: SqlRequest, afterMs: number) => Promise<Answer>,
): Promise<void> {
  const service = await openService(context);
  await rowsOf(service, SQL);
  const sink = slowSink();
  const startedAt = performance.now();
  service.execute(requestOf(SQL), sink);
  assert.equal(judge(await sink.answer, 'json'), 'whole');
  const wholeMs = performance.now() - startedAt;
  const random = seededRandom(SEED);
  const ends = new Map<string, number>();
  for (let time = 0; time < TIMES; time += 1) {
    const format = time % 2 === 0 ? 'json' : 'ndjson';
    const answer = await askAndStop(service, requestOf(SQL, { format }), random() * 1.2 * wholeMs);
    const end = judge(answer, format);
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  context.diagnostic(`seed ${SEED}: ${JSON.stringify(Object.fromEntries(ends))}`);
}

/** How the answer ended, as its client sees it. */
function judge({ text, error, body, statistics }: Answer, format: ResultFormat): string {
  if (error === null) {
    assert.equal(rowCount(text, format), ROWS, 'a result without an error is whole');
    assert.equal(statistics?.rows, ROWS);
    return 'whole';
  }
  if (body === 'none') assert.equal(text, '', 'the status tells of the error');
  if (body === 'explained') assert.equal(codeAtEnd(text, format), error.code);
  // What is broken has its connection cut: no client sees its end.
  return body!;
}

function rowCount(text: string, format: ResultFormat): number {
  if (format === 'ndjson') return text.trimEnd().split('\n').length;
  const answer = JSON.parse(text) as { readonly rows: unknown[]; readonly statistics?: object };
  assert.notEqual(answer.statistics, undefined);
  return answer.rows.length;
}

function codeAtEnd(text: string, format: ResultFormat): string | undefined {
  const end = format === 'json' ? text : text.trimEnd().split('\n').at(-1)!;
  const answer = JSON.parse(end) as {
    readonly error?: { code: string };
    readonly statistics?: object;
  };
  assert.equal(answer.statistics, undefined, 'a result that ends early has no statistics');
  return answer.error?.code;
}
