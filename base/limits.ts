/**
 * Every hard maximum of the appliance. Beyond a limit there is a named error, and a test stands at the
 * limit and one beyond it. Values that an operator may lower or raise are defaults in bin/config.ts;
 * these are the ones that hold whatever the configuration says.
 */
import { GIB, KIB, MIB } from './units.ts';

export const LIMITS = Object.freeze({
  /** Rows of one hot segment: DuckDB's row-group size, so that a flushed segment is one row group. */
  segmentRowsMax: 122_880,
  /** Segments one table can have hot at once; 16,384 × 122,880 is 2 billion rows. */
  tableSegmentsMax: 16_384,
  /** Tables one tenant's registry can list. */
  tablesMax: 16,
  /** Columns of one table. */
  columnsMax: 256,
  /** Distinct values of one dictionary column in one segment; a full dictionary seals the segment. */
  dictionaryEntriesMax: 65_536,

  /** One event as JSON, bytes. Segment's own limit for an event is 32 KB. */
  eventBytesMax: 32 * KIB,
  /** One request body or WebSocket message after decompression, bytes. */
  batchBytesMax: 4 * MIB,
  /** Events of one batch. */
  batchEventsMax: 10_000,
  /** A batch's own context and integrations, counted once for each of its events, bytes. */
  batchInheritedBytesMax: 8 * MIB,
  /** A msgpack batch as JSON text, bytes: records repeat their keys, so it can be larger by far. */
  msgpackTextBytesMax: 16 * MIB,
  /** Nesting of JSON, the batch's own two levels included. */
  jsonDepthMax: 64,
  /** Characters of a messageId, as Segment and RudderStack limit it. Counted in UTF-8 bytes. */
  messageIdBytesMax: 100,
  /** Bytes of a user, anonymous, group or previous id. */
  identifierBytesMax: 1024,
  /** Bytes of an event or page name. */
  eventNameBytesMax: 1024,

  /** How many times larger a compressed body may become when inflated, counted beyond the first 64 KiB. */
  gzipRatioMax: 100,
  /** How many times larger than a compressed import its rows may be, counted beyond the first 16 MiB. */
  importRatioMax: 1000,
  /** Rows of one batch of an import: as many as are decoded while as many others are written. Not of files that a process reads. */
  importBatchRowsMax: 512,
  /** Batches of one import under way at once: one is decoded while another is written, and the next is cut. */
  importBatchesUnderWay: 4,
  /** Arrow and Parquet files read at once; each has a process of its own, unless it is a plain Arrow stream. */
  importFilesMax: 2,
  /** Memory of such a process, bytes (RLIMIT_DATA). A Parquet file is held in it whole. */
  importFileMemoryBytesMax: 2 * GIB,
  /** A record batch of Arrow that the appliance reads itself, bytes; longer ones are left to such a process. */
  importRecordBatchBytesMax: 32 * MIB,
  /** Time an import may go without progress while nobody but its file or its sender is waited for, milliseconds. */
  importStallMs: 60_000,
  /**
   * What the kernel holds for a connection that the appliance has not read yet, bytes; Linux makes twice as much of it.
   * That must stay below 512 KiB: see ingest/uws.ts.
   */
  receiveBufferBytes: 208 * KIB,
  /** Time a request body may take to arrive, milliseconds. */
  bodyDeadlineMs: 30_000,
  /** Bytes of a body that must arrive for each second since its start, once the grace is over. */
  bodyBytesPerSecondMin: KIB,
  /** Time a body may stall at its start before its rate counts, milliseconds. */
  bodyGraceMs: 5_000,
  /** Seconds of a rate limit that may be sent at once after a pause. */
  rateBurstSeconds: 2,
  /** The longest wait a client is told while a queue is full, seconds. */
  retryAfterSecondsMax: 30,
  /** The wait a client is told while the disk is nearly full, seconds. */
  diskLowRetrySeconds: 10,
  /** Rejected events one answer lists; the counts in the answer stay exact beyond it. */
  rejectionsListedMax: 1000,
  /** WebSocket streams open at once. */
  streamSocketsMax: 10_000,
  /** Credit of one stream: batches and bytes it may have unacknowledged. */
  streamCreditBatches: 64,
  streamCreditBytes: 16 * MIB,
  /** Answers one stream may leave unread, bytes, before it is closed. */
  streamUnreadBytesMax: 4 * MIB,
  /** Time a stream may stay without a key, milliseconds. */
  streamHelloMs: 5_000,
  /** Time a stream that is closed by the appliance waits for answers to batches it took, milliseconds. */
  streamCloseMs: 5_000,
  /** Time a stream may be silent, seconds; the server pings, so only a dead peer reaches it. */
  streamIdleSeconds: 120,
  /** Characters of the name a client gives its stream. */
  streamNameCharactersMax: 64,
  /** Named streams without a connection that are remembered, and for how long, milliseconds. */
  streamsRememberedMax: 10_000,
  streamMemoryMs: 600_000,
  /** Live tails of one connection, and of all. */
  streamTailsMax: 8,
  tailsMax: 64,
  /** Payload bytes one tail looks at in a second, and what it may leave unread before it skips events. */
  tailBytesPerSecond: 4 * MIB,
  tailUnreadBytesMax: MIB,
  /** Values of one filter of a tail. */
  tailFilterValuesMax: 100,
  /** Identifiers of one resolve request. */
  resolveIdentifiersMax: 10_000,
  /** Nodes and edges of the graph of one profile that an answer shows. */
  graphNodesMax: 1000,
  graphEdgesMax: 5000,
  /** Outcomes and rejections remembered of one stream, and of all; about 150 bytes each. */
  streamOutcomesMax: 4096,
  streamOutcomesTotalMax: 500_000,
  /** Occurrences of one message id that a trace lists. */
  traceRowsMax: 1000,
  /** Dead letters of one page, and of one replay. */
  deadLettersMax: 1000,
  /** Body of a control or SQL request, bytes. */
  requestBytesMax: MIB,

  /** Lake tokens of one tenant, and characters of the name of one. */
  lakeTokensMax: 100,
  lakeTokenNameCharactersMax: 64,
  /** Bytes of objects on their way to other engines; each read holds up to 1 MiB. */
  lakeReadBytesMax: 128 * MIB,

  /** One WAL record's payload, bytes: a batch and room for its envelope. */
  walRecordBytesMax: 8 * MIB,
  /** One WAL file, bytes; a file is closed once it is larger. */
  walFileBytesMax: 256 * MIB,
  /** Bytes of payloads that lie between the socket and the log; full answers 429. */
  stagerPayloadBytesMax: 16 * MIB,
  /** Bytes of one of a log's two staging buffers, beside room for one record; full answers 429. */
  walStagingBytesMax: 8 * MIB,

  /** Times a backup is begun again because files went away while it copied them. */
  backupAttemptsMax: 5,

  /** Metadata, manifest list or manifest of a lake table, bytes; also a block of one when inflated. */
  lakeMetadataBytesMax: 256 * MIB,
  /** Commits of others that one of ours gives way to, one after another. */
  lakeCommitAttemptsMax: 8,
  /** Manifests of one snapshot; from here on the small ones are merged by the next commit. */
  lakeManifestsMax: 100,
  /** A manifest of this size is not merged with others any more, bytes. */
  lakeManifestBytesMax: 8 * MIB,
  /** Versions of the metadata that are kept behind the current one. */
  lakeMetadataVersionsMax: 50,

  /**
   * Identifiers, anchors and profiles per tenant: room for 100 M people. The largest array holds 16
   * bytes per anchor, and Node 20 reaches at most 4 GiB through one buffer: 250 M × 16 B = 3.7 GiB.
   */
  identityNodesMax: 250_000_000,
  identityAnchorsMax: 250_000_000,
  identityEdgesMax: 250_000_000,
  /** Types of identifiers of one tenant, those that are no longer used included. */
  identifierTypesMax: 64,
  /** Identifiers of one profile and merges behind it: the most that a rule set can allow. */
  profileIdentifiersMax: 1000,
  profileMergesMax: 1000,
  /** Anchors of one profile: identifiers, and intervals of ownership that were claimed with their past. */
  profileAnchorsMax: 10_000,
  /** Edges of one anchor that are searched, and kept. */
  anchorEdgesMax: 64,
  /** Blocked values of one identifier type. */
  blockedValuesMax: 10_000,
  /** Profiles of each kind that a what-if names. */
  whatIfExamplesMax: 100,
  /** Entries of each list that a what-if tells about a profile, and of the largest profiles. */
  whatIfListMax: 10,
  /** What-ifs of one tenant that are remembered. */
  whatIfsKeptMax: 8,
  /** Members that an answer about an account lists; their count stays exact beyond it. */
  accountMembersListedMax: 1000,
  /** Erasures that a tenant's list holds; each stays in it for ever. */
  erasuresMax: 100_000,
  /** Dead letters, and warnings, that one erasure takes away. */
  erasureRowsMax: 100_000,
  /** Characters of the reason for one. */
  erasureReasonCharactersMax: 500,
  /** Traits of people that one tenant can declare as columns. */
  declaredTraitsMax: 100,
  /** Values of declared traits that are kept for one tenant: an anchor's newest of a key each. */
  traitValuesMax: 500_000_000,
  /** Bytes of those among them that are longer than 8 bytes as JSON. */
  traitTextBytesMax: 32 * GIB,
  /** Bytes of identifier values per tenant. */
  identityValuesBytesMax: 32 * GIB,

  /** SQL text of one statement, bytes. */
  sqlBytesMax: 256 * KIB,
  /** The longest time a statement may be given, milliseconds. */
  sqlTimeoutMsMax: 3_600_000,
  /** Parameters of one statement. */
  sqlParametersMax: 1000,
  /** All parameters of one statement as JSON, bytes. */
  sqlParametersBytesMax: MIB,
  /** Nesting of an expression in SQL; DuckDB's own default of 1000 lets deeper ones near its stack. */
  sqlExpressionDepthMax: 250,
  /** Nesting of a parsed statement, as JSON; about four levels for each level of an expression. */
  sqlTreeDepthMax: 2000,
  /** Statements of one tenant that `system.queries` shows, and characters of the text of each. */
  recentQueriesMax: 500,
  recentQueryCharactersMax: 1000,
  /** One frame between the appliance and a query worker, bytes: a statement with all its escapes. */
  queryFrameBytesMax: 8 * MIB,
});
