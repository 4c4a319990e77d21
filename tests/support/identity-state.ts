/** Everything identity holds, as plain values: two engines with equal states decide alike for ever. */
import { RECORD_WORDS } from '../../identity/profile-store.ts';
import type { TestEngine } from './engine-fixture.ts';
import { readRows } from './read-rows.ts';

export function identityState(engine: TestEngine): unknown {
  const { identity } = engine.tenant;
  const { profiles } = identity;
  const anchors = profiles.anchorCount + 1;
  const count = profiles.profileCount + 1;
  return {
    nodes: Array.from({ length: identity.nodeCount }, (_, index) => identity.valueOf(index + 1)),
    profileOf: [...profiles.profileOf.subarray(0, anchors)],
    records: [...profiles.records.subarray(0, anchors * RECORD_WORDS)],
    times: [...profiles.times.subarray(0, anchors * 4)],
    opened: Array.from({ length: anchors - 1 }, (_, index) => profiles.openedSeconds(index + 1)),
    heads: [...profiles.heads.subarray(0, count)],
    rows: engine.rows(),
    edges: engine.edges(),
    merges: engine.tenant.hot.merges.segments.flatMap((segment) => readRows(segment)),
  };
}
