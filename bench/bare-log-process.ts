/**
 * The process of a BareServer that is a log and no more: what comes while a group is on its way to the disk is the next
 * group, which is written past the page cache and synced in one step, as ours are (storage/wal-writer.ts).
 */
import { systemClock } from '../base/clock.ts';
import { alignUp, MIB } from '../base/units.ts';
import { createApp, listen, type WebSocket } from '../ingest/uws.ts';
import { native } from '../native/index.ts';
import { type FileHandle, writeSynced } from '../storage/file-system.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import { WAL_BLOCK_BYTES } from '../storage/wal-format.ts';
import { serveBareStream } from './bare-stream.ts';
import { BATCH_EVENTS } from './engine-run.ts';

/** All that the eight connections of the benchmark may have under way. */
const GROUP_BYTES = 64 * MIB;
/** Batches that one connection may have under way. */
const CREDIT = 64;
/** In a frame of docs/websocket.md, behind a byte for the codec. */
const BATCH_ID_OFFSET = 1;

type Socket = WebSocket<unknown>;

/** Frames one behind another, and whose they are. */
class Group {
  readonly #bytes: Uint8Array;
  readonly #frames: { readonly socket: Socket; readonly batch: number }[] = [];
  #used = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#used === 0;
  }

  append(socket: Socket, frame: ArrayBuffer): void {
    this.#bytes.set(new Uint8Array(frame), this.#used);
    this.#used += frame.byteLength;
    this.#frames.push({ socket, batch: new DataView(frame).getUint32(BATCH_ID_OFFSET, true) });
  }

  /** Whole blocks, as direct writes want them. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, alignUp(this.#used, WAL_BLOCK_BYTES));
  }

  acknowledge(): void {
    const counts = `"accepted":${BATCH_EVENTS},"credit":{"batches":1}`;
    for (const { socket, batch } of this.#frames) socket.send(`{"ack":${batch},${counts}}`);
    this.#frames.length = 0;
    this.#used = 0;
  }
}

class BareLog {
  readonly #file: FileHandle;
  #gathering: Group;
  #inFlight: Group;
  #position = 0;
  #isWriting = false;

  constructor(file: FileHandle, groups: readonly [Group, Group]) {
    this.#file = file;
    [this.#gathering, this.#inFlight] = groups;
  }

  append(socket: Socket, frame: ArrayBuffer): void {
    this.#gathering.append(socket, frame);
    if (!this.#isWriting) void this.#write();
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    while (!this.#gathering.isEmpty) {
      [this.#gathering, this.#inFlight] = [this.#inFlight, this.#gathering];
      const { bytes } = this.#inFlight;
      await writeSynced(this.#file, bytes, this.#position, systemClock);
      this.#position += bytes.length;
      this.#inFlight.acknowledge();
    }
    this.#isWriting = false;
  }
}

const fileSystem = new NodeFileSystem(native);
const group = (): Group => new Group(fileSystem.allocate(GROUP_BYTES));
const file = await fileSystem.open(process.argv[2]!, 'create', { direct: true });
const log = new BareLog(file, [group(), group()]);

const app = createApp();
const greeting = `{"hello":{"credit":{"batches":${CREDIT}}}}`;
serveBareStream(app, greeting, (socket, frame) => log.append(socket, frame));
process.send!(listen(app, '127.0.0.1', 0).port);
process.on('disconnect', () => process.exit());
