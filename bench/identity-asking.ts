/**
 * Clients that ask who somebody is, all of one way: as fast as answers come, or on a timetable.
 *
 * They stand for other machines, and go first (client-process.ts). How late they got their turn nevertheless is told
 * beside the latencies.
 */
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { QuestionConnection, type Questions, type Transport } from './question-connection.ts';
import { perSecond } from './workload.ts';

/** Steps of the timetable: Node's timers come up to 2 ms late, and what is late is asked all at once. */
const TICK_MS = 0.25;
const POLL_MS = 1;

export interface Way {
  readonly name: string;
  readonly transport: Transport;
  readonly connections: number;
  /** Questions that one connection has unanswered in a closed loop, and asks at once on a timetable. */
  readonly depth: number;
  readonly lookUpsPerQuestion: number;
}

/** A server that is asked. */
export interface Asked {
  readonly port: number;
  readonly adminKey: string;
  /** Its processor time so far. */
  readonly cpuMicros: number;
}

export interface Maximum {
  readonly questionsPerSecond: number;
  /** Processor time of the server for each question, microseconds. */
  readonly cpuMicros: number;
}

export interface Timed {
  readonly latenciesMs: Float64Array;
  /** By how much each step of the timetable came late. */
  readonly lateMs: readonly number[];
}

export class Asking {
  readonly #way: Way;
  readonly #asked: Asked;
  readonly #connections: QuestionConnection[] = [];
  #answers = 0;
  #isClosedLoop = false;
  /** Of the answers on a timetable, as many as were asked for. */
  #latenciesMs = new Float64Array(0);
  #timed = 0;

  private constructor(way: Way, asked: Asked) {
    this.#way = way;
    this.#asked = asked;
  }

  static async open(way: Way, asked: Asked, questions: Questions): Promise<Asking> {
    const asking = new Asking(way, asked);
    for (let index = 0; index < way.connections; index += 1) {
      asking.#connections.push(
        await QuestionConnection.open(way.transport, asked, questions, (...answers) =>
          asking.#take(...answers),
        ),
      );
    }
    return asking;
  }

  /** The first answer of all. */
  get firstAnswer(): string {
    return this.#connections[0]!.firstAnswer;
  }

  /** Each connection has its questions unanswered all the time. */
  async closedLoop(durationMs: number): Promise<Maximum> {
    this.#isClosedLoop = true;
    for (const connection of this.#connections) connection.ask(this.#way.depth);
    const before = this.#answers;
    const cpuMicros = this.#asked.cpuMicros;
    const startMs = performance.now();
    await delay(durationMs);
    const counted = this.#answers - before;
    const maximum = {
      questionsPerSecond: perSecond(counted, performance.now() - startMs),
      cpuMicros: (this.#asked.cpuMicros - cpuMicros) / Math.max(counted, 1),
    };
    this.#isClosedLoop = false;
    await this.#settle();
    return maximum;
  }

  /**
   * Asks at an even rate, in steps of a tick: the connections in turn, each as many questions at once as it has
   * unanswered in the closed loop.
   */
  async onTime(questionsPerSecond: number, durationMs: number): Promise<Timed> {
    // Made before, and not grown meanwhile: copying a large array would make the client late.
    this.#latenciesMs = new Float64Array(Math.ceil((questionsPerSecond * durationMs) / 1000));
    this.#timed = 0;
    const lateMs: number[] = [];
    const startMs = performance.now();
    let asked = 0;
    let turn = 0;
    let plannedMs = 0;
    for (let elapsedMs = 0; elapsedMs < durationMs; elapsedMs = performance.now() - startMs) {
      lateMs.push(Math.max(0, elapsedMs - plannedMs));
      const planned = Math.floor((elapsedMs * questionsPerSecond) / 1000);
      while (asked < planned) {
        const count = Math.min(this.#way.depth, planned - asked);
        this.#connections[turn]!.ask(count);
        turn = (turn + 1) % this.#connections.length;
        asked += count;
      }
      plannedMs = performance.now() - startMs + TICK_MS;
      await pause();
    }
    await this.#settle();
    return { latenciesMs: this.#latenciesMs.subarray(0, this.#timed), lateMs };
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  #take(connection: QuestionConnection, count: number, latenciesMs: Float64Array): void {
    this.#answers += count;
    if (this.#isClosedLoop) {
      connection.ask(count);
      return;
    }
    // None of a closed loop, whose last answers come when it has ended.
    const timed = Math.min(count, this.#latenciesMs.length - this.#timed);
    this.#latenciesMs.set(latenciesMs.subarray(0, timed), this.#timed);
    this.#timed += timed;
  }

  async #settle(): Promise<void> {
    while (this.#connections.some(({ unanswered }) => unanswered > 0)) await delay(POLL_MS);
  }
}

const never = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps for a tick, then has the event loop read what came. */
function pause(): Promise<void> {
  Atomics.wait(never, 0, 0, TICK_MS);
  return setImmediate();
}
