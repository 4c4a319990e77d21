/** The client library of the stream; docs/websocket.md shows its use. */
export { TributaryStream } from './tributary-stream.ts';
export {
  type BatchReport,
  type BatchStore,
  type EventRejection,
  type Receipt,
  type SendOutcome,
  type StoredBatch,
  type StoredStream,
  StreamError,
  type StreamEvent,
  type StreamOptions,
  type WebSocketConstructor,
  type WebSocketLike,
} from './types.ts';
