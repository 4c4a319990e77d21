/** What the kernel holds for the connections of this process: asked of the addon here, for the front door. */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { native } from '../native/index.ts';

/** Has the kernel hold `receiveBufferBytes` at most for a connection accepted on `port`, where this process listens. */
export function boundReceiveBuffers(port: number): void {
  const bound = native.boundReceiveBuffers(port, LIMITS.receiveBufferBytes);
  assert(Number(bound) >= 1, `the receive buffers of connections are not bounded: ${bound}`);
}
