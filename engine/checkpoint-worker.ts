/**
 * The program that makes a checkpoint (make-checkpoint.ts): an order on standard input, an answer on standard
 * output (checkpoint-order.ts).
 *
 * Why a process: the state of the serving process changes all the time. This one is folded by the same code
 * from what is durable, at the lowest priority, without a word to the write path.
 *
 * - It ends with whoever gave the order, who keeps the input open until the answer has come.
 * - Its private memory is bounded (RLIMIT_DATA); what it maps lies in shared memory.
 */
import { createInterface } from 'node:readline';
import { native } from '../native/index.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import type { CheckpointOrder } from './checkpoint-order.ts';
import { makeCheckpoint } from './make-checkpoint.ts';

const input = createInterface(process.stdin);
const line = await new Promise<string>((resolve) => input.once('line', resolve));
process.stdin.once('end', () => process.exit(1));

const { dataBytesMax, ...order } = JSON.parse(line) as CheckpointOrder;
const reason = native.limitDataBytes(dataBytesMax);
if (reason !== '') throw new Error(`RLIMIT_DATA: ${reason}`);
const answer = await makeCheckpoint(new NodeFileSystem(native), order);
process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
