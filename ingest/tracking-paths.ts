/**
 * The paths that take events, and the type each gives to what it is sent.
 *
 * One API under several names: Segment's and RudderStack's `/v1/…` with the short forms of the browser SDK,
 * Jitsu's `/api/s/…` and `/api/s/s2s/…` (from a server), RudderStack's beacon. All mean the same here.
 */
import { EVENT_TYPES, type EventType } from '../engine/types.ts';

/** `track` and `t`, and so on: the first letters of the six types differ. */
const TYPE_NAMES: readonly (readonly [string, EventType])[] = EVENT_TYPES.flatMap((type) => [
  [type, type] as const,
  [type[0]!, type] as const,
]);
const BATCH_NAMES: readonly string[] = ['batch', 'b'];

/** Path → the type it gives to its events; null: the events carry their own. */
export const TRACKING_PATHS: ReadonlyMap<string, EventType | null> = new Map([
  ...below('/v1/'),
  ...below('/api/s/'),
  ...below('/api/s/s2s/'),
  ['/api/s/event', null],
  ['/api/s/s2s/event', null],
  ['/batch', null],
  ['/b', null],
  ['/beacon/v1/batch', null],
]);

/** Path of a pixel → the type of the one event in its query; RudderStack's form, then Segment's. */
export const PIXEL_PATHS: ReadonlyMap<string, EventType> = new Map(
  ['/pixel/v1/', '/v1/pixel/'].flatMap((root) =>
    EVENT_TYPES.map((type) => [root + type, type] as const),
  ),
);

/** Where the browser SDK reports on itself. */
export const SDK_METRICS_PATH = '/v1/m';

function below(root: string): (readonly [string, EventType | null])[] {
  return [
    ...BATCH_NAMES.map((name) => [root + name, null] as const),
    ...TYPE_NAMES.map(([name, type]) => [root + name, type] as const),
  ];
}
