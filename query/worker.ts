/**
 * A query worker: the process that runs analysts' SQL, one tenant's and one statement at a time.
 * The pool starts it as `node query/worker.js` with a socket pair as fd 3; see worker-protocol.ts.
 *
 * Why a process: DuckDB can be made to need more memory than its limit says, to run one function that
 * cannot be interrupted, or to crash. A process can be limited, deprioritised and killed.
 *
 * - It never outlives the appliance: when the socket closes it ends at once. SIGKILL to itself, since
 *   an orderly exit would wait for a thread that is inside a long function.
 * - The kernel takes it first when memory runs out, and gives it the processor last.
 * - The limit on memory is set before DuckDB starts, for the life of the process.
 */
import { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { systemClock } from '../base/clock.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import { policyOf } from './catalog.ts';
import type { Failure } from './failures.ts';
import { ReadMeter } from './read-meter.ts';
import { StatementParser } from './statement-parser.ts';
import { type ResultChannel, type ScanControl, StatementRunner } from './statement-runner.ts';
import { TableSnapshots } from './table-snapshots.ts';
import { openWorkerDatabase } from './worker-database.ts';
import {
  decodeJson,
  type ExecuteRequest,
  encodeFrame,
  encodeJsonFrame,
  FRAME,
  FrameReader,
  type WorkerSettings,
} from './worker-protocol.ts';

const SOCKET_FD = 3;
/** As nice(1) counts: ingestion, at 0, gets about nine times the processor. */
const NICENESS = 10;
/** Of 1000: the kernel's memory killer takes workers long before the appliance. */
const OOM_SCORE_ADJUSTMENT = 900;
const DATA_FRAME_BYTES_MAX = 256 * 1024;
const NOTHING = new Uint8Array(0);

/** For a catalogue that scans no hot segments. */
const NO_SCANS: ScanControl = {
  setScanBound() {},
  clearScanBounds() {},
  takeScanCounts: () => ({ segmentsScanned: 0, segmentsSkipped: 0, rowsScanned: 0 }),
};

/** Frames out, with the wait for a slow reader that a cancel cuts short. */
class FrameChannel implements ResultChannel {
  readonly #socket: Socket;
  #wake: (() => void) | null = null;
  #wait: Promise<void> | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('drain', () => this.wake());
  }

  begin(): void {
    this.#socket.write(encodeFrame(FRAME.began, NOTHING));
  }

  send(bytes: Buffer): Promise<void> | null {
    let writable = true;
    for (let start = 0; start < bytes.length; start += DATA_FRAME_BYTES_MAX) {
      const piece = bytes.subarray(start, start + DATA_FRAME_BYTES_MAX);
      writable = this.#socket.write(encodeFrame(FRAME.data, piece));
    }
    if (writable) return null;
    this.#wait ??= new Promise((resolve) => {
      this.#wake = resolve;
    });
    return this.#wait;
  }

  wake(): void {
    this.#wake?.();
    this.#wake = null;
    this.#wait = null;
  }
}

async function startRunner(settings: WorkerSettings): Promise<StatementRunner> {
  let scans = NO_SCANS;
  let snapshots: TableSnapshots | null = null;
  let addonPath: string | null = null;
  if (settings.hotDirectory !== null || settings.dataLimitBytes !== null) {
    const { extensionPath, native } = await import('../native/index.ts');
    if (settings.dataLimitBytes !== null) {
      failUnlessEmpty(native.limitDataBytes(settings.dataLimitBytes), 'RLIMIT_DATA');
    }
    if (settings.hotDirectory !== null) {
      failUnlessEmpty(native.openHotDirectory(settings.hotDirectory), 'hot directory');
      scans = native;
      const { hotDirectory } = settings;
      snapshots = new TableSnapshots(hotDirectory, native, new NodeFileSystem());
      addonPath = extensionPath;
    }
  }
  // Cold files have relative paths, so that no plan shows an analyst where they lie.
  if (settings.coldDirectory !== null) process.chdir(settings.coldDirectory);
  const parser = await StatementParser.open(policyOf(settings.catalog));
  const database = await openWorkerDatabase(settings, addonPath);
  const { catalog, memoryLimitBytes } = settings;
  return new StatementRunner({
    database,
    parser,
    catalog,
    scans,
    snapshots,
    meter: await ReadMeter.open(new NodeFileSystem()),
    clock: systemClock,
    memoryLimitBytes,
  });
}

function failUnlessEmpty(reason: string, subject: string): void {
  if (reason !== '') throw new Error(`${subject}: ${reason}`);
}

async function preferOtherProcesses(): Promise<void> {
  setPriority(NICENESS);
  const handle = await new NodeFileSystem().open('/proc/self/oom_score_adj', 'edit');
  await handle.write([Buffer.from(String(OOM_SCORE_ADJUSTMENT))], 0);
  await handle.close();
}

function leave(): void {
  process.kill(process.pid, 'SIGKILL');
}

function serve(): void {
  const socket = new Socket({ fd: SOCKET_FD, readable: true, writable: true });
  const channel = new FrameChannel(socket);
  let runner: StatementRunner | null = null;

  const start = async (settings: WorkerSettings): Promise<void> => {
    await preferOtherProcesses();
    runner = await startRunner(settings);
    socket.write(encodeFrame(FRAME.ready, NOTHING));
  };
  const execute = async (request: ExecuteRequest): Promise<void> => {
    if (runner === null) throw new Error('a query before the settings');
    const outcome = await runner.run(request, channel);
    socket.write(encodeJsonFrame(FRAME.finished, outcome));
  };
  const failed = (error: unknown): void => {
    console.error(error);
    leave();
  };
  const reader = new FrameReader((kind, payload) => {
    if (kind === FRAME.settings) start(decodeJson<WorkerSettings>(payload)).catch(failed);
    else if (kind === FRAME.execute) execute(decodeJson<ExecuteRequest>(payload)).catch(failed);
    else if (kind === FRAME.cancel) {
      runner?.cancel(decodeJson<Failure>(payload));
      channel.wake();
    } else failed(new Error(`a frame of kind ${kind}`));
  });
  socket.on('data', (bytes) => {
    const broken = reader.push(bytes);
    if (broken !== '') failed(new Error(broken));
  });
  socket.on('error', leave);
  socket.on('close', leave);
}

serve();
