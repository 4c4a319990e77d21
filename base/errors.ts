/**
 * Every error the appliance can answer with, in one table.
 *
 * Why a table: a code is a contract with clients, operators and documentation. Codes are never reused
 * and never change meaning; `tests/base/errors.test.ts` proves that this table, docs/errors.md and the
 * types agree.
 *
 * - `message` is a template: `{name}` is replaced by the parameter of that name.
 * - `status` is the HTTP answer, `sqlstate` the PostgreSQL one (class by the standard).
 * - `retryable` says whether the same request may succeed later, unchanged.
 */

interface ErrorEntry {
  readonly message: string;
  readonly status: number;
  readonly sqlstate: string;
  readonly retryable: boolean;
  readonly help?: string;
}

export const ERRORS = {
  // ── base ──────────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_BASE_NATIVE_MISSING: {
    message: 'The native addon could not be loaded from {path}: {reason}.',
    status: 500,
    sqlstate: '58000',
    retryable: false,
    help: 'Run `npm ci` on a machine with g++ 12 or newer, make and python3.',
  },
  // ── config ────────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_CONFIG_UNKNOWN_KEY: {
    message: '{origin} sets {key}, which is not an option{hint}.',
    status: 500,
    sqlstate: 'F0000',
    retryable: false,
    help: '`tributary help COMMAND` lists the options of a command, `tributary help serve` those of the configuration.',
  },
  TRIBUTARY_CONFIG_INVALID_VALUE: {
    message: '{origin} sets {key} to {value}; expected {expected}.',
    status: 500,
    sqlstate: 'F0000',
    retryable: false,
  },
  TRIBUTARY_CONFIG_FILE_MALFORMED: {
    message: 'The configuration file {path} cannot be read: {reason}.',
    status: 500,
    sqlstate: 'F0000',
    retryable: false,
  },
  TRIBUTARY_CONFIG_FILE_UNREADABLE: {
    message: 'The file {path} cannot be read: {reason}.',
    status: 500,
    sqlstate: '58030',
    retryable: false,
  },
  TRIBUTARY_CONFIG_DIRECTORY_UNUSABLE: {
    message: 'The directory {path}, named by {option}, cannot be used: {reason}.',
    status: 500,
    sqlstate: '58030',
    retryable: false,
    help: 'It, or the nearest of its parents that is there, has to be a directory in which this user may make files.',
  },
  TRIBUTARY_CONFIG_KEYS_ALIKE: {
    message:
      'TRIBUTARY_BOOTSTRAP_WRITE_KEY and TRIBUTARY_BOOTSTRAP_ADMIN_KEY are the same text; expected two keys.',
    status: 500,
    sqlstate: 'F0000',
    retryable: false,
    help: 'Write keys stand in web pages and apps, where anybody can read them; an admin key reads all data and changes it.',
  },
  TRIBUTARY_CONFIG_KEY_MISSING: {
    message: 'No {kind} key was given.',
    status: 500,
    sqlstate: 'F0000',
    retryable: false,
    help: 'Set --key or TRIBUTARY_KEY; what replays dead letters sends with --write-key or TRIBUTARY_WRITE_KEY, too.',
  },
  TRIBUTARY_CONFIG_UNREACHABLE: {
    message: 'The appliance at {url} cannot be reached, or the connection broke: {reason}.',
    status: 500,
    sqlstate: '08001',
    retryable: true,
    help: 'Is it running? --url or TRIBUTARY_URL says where it listens.',
  },
  TRIBUTARY_CONFIG_LISTEN_FAILED: {
    message: 'Cannot listen on {host}:{port}.',
    status: 500,
    sqlstate: '58030',
    retryable: false,
    help: 'Another process may hold the port, or the host is not an address of this machine.',
  },
  TRIBUTARY_CONFIG_CONTROL_MALFORMED: {
    message: 'The control file {path} cannot be used: {reason}.',
    status: 500,
    sqlstate: 'F0000',
    retryable: false,
    help: 'It holds tenants and keys. Restore it from a backup; do not delete it, ids would change.',
  },
  // ── access ────────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_ACCESS_KEY_MISSING: {
    message: 'No {kind} key was given.',
    status: 401,
    sqlstate: '28000',
    retryable: false,
    help: 'Send it as `Authorization: Bearer KEY`, or as the user name of HTTP Basic.',
  },
  TRIBUTARY_ACCESS_KEY_UNKNOWN: {
    message: 'The {kind} key is not known.',
    status: 401,
    sqlstate: '28P01',
    retryable: false,
    help: 'Keys are printed once, at the first start. Write keys send events, admin keys query.',
  },
  TRIBUTARY_ACCESS_LAKE_TOKENS_FULL: {
    message: 'The tenant has {limit} lake tokens already, which is the limit.',
    status: 409,
    sqlstate: '53400',
    retryable: false,
    help: 'Revoke one that is not used any more.',
  },
  TRIBUTARY_ACCESS_LAKE_TOKEN_UNKNOWN: {
    message: 'There is no lake token {id}.',
    status: 404,
    sqlstate: '42704',
    retryable: false,
    help: 'It is named by its id, the third part of the token; `tributary lake token list` shows them.',
  },
  // ── storage ───────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_STORAGE_DIRECTORY_LOCKED: {
    message: 'The data directory {path} is in use by another process ({holder}).',
    status: 503,
    sqlstate: '55006',
    retryable: false,
    help: 'Stop the other appliance, or give this one another --data-dir.',
  },
  TRIBUTARY_STORAGE_HOT_FULL: {
    message: 'Hot storage is full: {usedBytes} bytes used, limit {limitBytes} bytes.',
    status: 503,
    sqlstate: '53200',
    retryable: true,
    help: 'Raise hot_bytes_max, or give the shared-memory file system more room.',
  },
  TRIBUTARY_STORAGE_REGION_FULL: {
    message: 'Region {path} cannot grow to {neededBytes} bytes: {reason}.',
    status: 503,
    sqlstate: '53100',
    retryable: true,
    help: 'The file system that holds the hot data (by default /dev/shm) is full.',
  },
  TRIBUTARY_STORAGE_RECORD_TOO_LARGE: {
    message: 'A log record of {bytes} bytes is too large, limit {limitBytes} bytes.',
    status: 413,
    sqlstate: '54000',
    retryable: false,
    help: 'Send smaller batches.',
  },
  TRIBUTARY_STORAGE_WAL_CORRUPT: {
    message: 'The log is damaged in {file} at byte {offset}: {reason}.',
    status: 503,
    sqlstate: 'XX001',
    retryable: false,
    help: 'Restore a backup, or start with --accept-data-loss to go on without the damaged records.',
  },
  TRIBUTARY_STORAGE_CHECKPOINT_UNUSABLE: {
    message: 'The checkpoint {path} cannot be used: {reason}.',
    status: 503,
    sqlstate: 'XX001',
    retryable: false,
    help: 'A start goes on with the older checkpoint; the next one that is made replaces the damaged one.',
  },
  TRIBUTARY_STORAGE_CHECKPOINTS_LOST: {
    message:
      'The log in {path} begins at sequence {beginning}, and a start needs it from {needed} on: no checkpoint reaches further that is sound and not ahead of the lake, which ends at {lakeSequence}. Checkpoints there: {checkpoints}.',
    status: 503,
    sqlstate: 'XX001',
    retryable: false,
    help: 'Restore a backup (`tributary restore`): what the checkpoints held is nowhere else. The lines before this one say what is wrong with them.',
  },
  TRIBUTARY_STORAGE_WAL_VERSION: {
    message: 'The log file {file} has format version {version}, this appliance reads {supported}.',
    status: 503,
    sqlstate: '0A000',
    retryable: false,
    help: 'Run the appliance version that wrote it, or a newer one.',
  },
  TRIBUTARY_STORAGE_LOG_BEHIND_LAKE: {
    message: 'The log ends at sequence {logSequence}, and the lake has rows up to {lakeSequence}.',
    status: 503,
    sqlstate: 'XX001',
    retryable: false,
    help: 'The end of the log is lost, or the two are not of one backup. Restore one, or start with --accept-data-loss to go on behind the lake.',
  },
  TRIBUTARY_STORAGE_BACKUP_MISSING: {
    message: 'There is no backup {id} in {path}.',
    status: 404,
    sqlstate: '58P01',
    retryable: false,
    help: '`tributary backup list DIR` shows the backups of a directory.',
  },
  TRIBUTARY_STORAGE_BACKUP_MALFORMED: {
    message: 'The backup {path} cannot be used: {reason}.',
    status: 500,
    sqlstate: 'XX001',
    retryable: false,
    help: '`tributary backup list DIR` shows the others.',
  },
  TRIBUTARY_STORAGE_BACKUP_DAMAGED: {
    message: 'The content {path} of a backup is damaged: {reason}.',
    status: 500,
    sqlstate: 'XX001',
    retryable: false,
    help: 'Remove it: the next backup copies it again, if the appliance still has it.',
  },
  TRIBUTARY_STORAGE_BACKUP_SOURCE: {
    message: 'The data directory {path} cannot be backed up: {reason}.',
    status: 500,
    sqlstate: '58030',
    retryable: false,
    help: 'Backups made before stay as they are.',
  },
  TRIBUTARY_STORAGE_BACKUP_UNSETTLED: {
    message:
      'Files of {path} went away while they were copied, {attempts} times in a row: {reason}.',
    status: 503,
    sqlstate: '40001',
    retryable: true,
    help: 'Backups made before stay as they are. Try again when less is being compacted or erased.',
  },
  TRIBUTARY_STORAGE_RESTORE_OCCUPIED: {
    message: 'The directory {path} is not empty: it has {name}.',
    status: 409,
    sqlstate: '55006',
    retryable: false,
    help: 'A backup is restored into an empty directory, or one that is not there yet.',
  },
  // ── lake ──────────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_LAKE_OBJECT_MISSING: {
    message: 'The lake has no object {key}.',
    status: 404,
    sqlstate: '58P01',
    retryable: false,
  },
  TRIBUTARY_LAKE_LOCATION_FOREIGN: {
    message: 'The location {location} does not lie in this lake.',
    status: 503,
    sqlstate: 'XX001',
    retryable: false,
    help: 'The metadata was written for another lake, or is damaged. Restore it from a backup.',
  },
  TRIBUTARY_LAKE_METADATA_MALFORMED: {
    message: 'The lake metadata in {location} cannot be used: {reason}.',
    status: 503,
    sqlstate: 'XX001',
    retryable: false,
    help: 'The file is damaged, or was written by something else. Restore it from a backup.',
  },
  TRIBUTARY_LAKE_FILE_UNKNOWN: {
    message: 'The file {location} is not part of table {table}.',
    status: 409,
    sqlstate: '40001',
    retryable: false,
    help: 'Another commit has removed it. Read the list of live files again.',
  },
  TRIBUTARY_LAKE_SNAPSHOT_UNKNOWN: {
    message: 'Table {table} has no snapshot {snapshotId}.',
    status: 404,
    sqlstate: '42704',
    retryable: false,
    help: 'It may have expired.',
  },
  TRIBUTARY_LAKE_UPDATE_INVALID: {
    message: 'The table cannot be changed so: {reason}.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
  },
  TRIBUTARY_LAKE_CONFLICT: {
    message: 'Table {table} was changed by others {attempts} times in a row.',
    status: 409,
    sqlstate: '40001',
    retryable: true,
    help: 'Only one appliance may write to a lake. Look for another one.',
  },
  TRIBUTARY_LAKE_POISONED: {
    message: 'Table {table} takes no commits since the outcome of one is unknown: {reason}.',
    status: 503,
    sqlstate: '58030',
    retryable: true,
    help: 'Check the disk or the object store and restart the appliance.',
  },
  TRIBUTARY_LAKE_ABSENT: {
    message: 'This appliance has no lake.',
    status: 404,
    sqlstate: '55000',
    retryable: false,
  },
  TRIBUTARY_LAKE_READS_FULL: {
    message: 'Reads of the lake hold {usedBytes} bytes, limit {limitBytes} bytes.',
    status: 503,
    sqlstate: '53400',
    retryable: true,
    help: 'Wait for the seconds in Retry-After and read again.',
  },
  TRIBUTARY_LAKE_ENCODE_FAILED: {
    message: 'Hot rows could not be encoded: {reason}.',
    status: 503,
    sqlstate: '58000',
    retryable: true,
    help: 'They stay hot, and it is tried again. Look for free disk space and memory.',
  },
  TRIBUTARY_LAKE_REWRITE_FAILED: {
    message: 'Files of the lake could not be rewritten: {reason}.',
    status: 503,
    sqlstate: '58000',
    retryable: true,
    help: 'Nothing has changed, and it is tried again. Look for free disk space and memory.',
  },
  TRIBUTARY_LAKE_STORE_UNREACHABLE: {
    message: 'The S3 store at {endpoint} does not answer: {reason}.',
    status: 503,
    sqlstate: '08001',
    retryable: true,
    help: 'Check lake_s3_endpoint and the network between.',
  },
  TRIBUTARY_LAKE_STORE_REFUSED: {
    message: 'The S3 store refused {request} with {status} {code}: {reason}.',
    status: 503,
    sqlstate: '58030',
    retryable: false,
    help: 'The key needs GetObject, PutObject, DeleteObject, ListBucket and AbortMultipartUpload.',
  },
  TRIBUTARY_LAKE_STORE_UNCONDITIONAL: {
    message: 'The S3 store at {endpoint} ignores If-None-Match in bucket {bucket}.',
    status: 500,
    sqlstate: '0A000',
    retryable: false,
    help: 'Without it two writers can lose a commit. Use a store that honours conditional writes.',
  },
  // ── identity ──────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_IDENTITY_NODES_FULL: {
    message: 'The identity store is full at {count} identifiers: {reason}.',
    status: 503,
    sqlstate: '53400',
    retryable: false,
  },
  TRIBUTARY_IDENTITY_TYPE_UNKNOWN: {
    message: 'There is no identifier type {type}.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
    help: 'GET /v1/identity/rules lists the types there are.',
  },
  TRIBUTARY_IDENTITY_PROFILE_UNKNOWN: {
    message: 'There is no profile {profile}.',
    status: 404,
    sqlstate: '02000',
    retryable: false,
    help: 'Ids of profiles come from /v1/identity/resolve and from the table profiles.',
  },
  TRIBUTARY_IDENTITY_ACCOUNT_UNKNOWN: {
    message: 'No event names an account {account}.',
    status: 404,
    sqlstate: '02000',
    retryable: false,
    help: 'Accounts are the groupIds of events; the table accounts lists them.',
  },
  TRIBUTARY_IDENTITY_IDENTIFIER_UNKNOWN: {
    message: 'Nobody is known by {identifiers}.',
    status: 404,
    sqlstate: '02000',
    retryable: false,
    help: 'It was never seen, is blocked, or is a device whose owner logged out.',
  },
  TRIBUTARY_IDENTITY_RULES_INVALID: {
    message: 'The identity rules cannot be used: {reason}.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
    help: 'docs/identity.md describes every field.',
  },
  TRIBUTARY_IDENTITY_RULES_OUTDATED: {
    message: 'The identity rules were made from version {version}; by now there is {current}.',
    status: 412,
    sqlstate: '40001',
    retryable: false,
    help: 'Read the rules again, and make the change to those.',
  },
  TRIBUTARY_IDENTITY_TRAITS_INVALID: {
    message: 'The traits cannot be declared so: {reason}.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
    help: 'docs/identity-api.md describes every field.',
  },
  TRIBUTARY_IDENTITY_TRAITS_OUTDATED: {
    message: 'The declared traits were made from version {version}; by now there is {current}.',
    status: 412,
    sqlstate: '40001',
    retryable: false,
    help: 'Read them again, and make the change to those.',
  },
  TRIBUTARY_IDENTITY_COMMAND_INVALID: {
    message: 'The identity command cannot be read: {reason}.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
    help: 'docs/identity.md describes the commands.',
  },
  TRIBUTARY_IDENTITY_WHAT_IF_BUSY: {
    message: 'The what-if {job} is running already; one runs at a time.',
    status: 429,
    sqlstate: '55P03',
    retryable: true,
    help: 'Wait until it is over, or cancel it.',
  },
  TRIBUTARY_IDENTITY_WHAT_IF_UNKNOWN: {
    message: 'There is no what-if {job}.',
    status: 404,
    sqlstate: '42704',
    retryable: false,
    help: 'The newest few are remembered, until the appliance is restarted.',
  },
  TRIBUTARY_IDENTITY_WHAT_IF_FAILED: {
    message: 'The what-if came to no end: {reason}.',
    status: 500,
    sqlstate: 'XX000',
    retryable: true,
    help: 'It needs about the memory that identity has, on the disk of the data, while it runs.',
  },
  // ── erasure ──────────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_ERASURE_INVALID: {
    message: 'The erasure cannot be read: {reason}.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
    help: 'docs/erasure.md describes the request.',
  },
  TRIBUTARY_ERASURE_PERSON_UNKNOWN: {
    message: 'There is nobody of this profile or identifier.',
    status: 404,
    sqlstate: '02000',
    retryable: false,
    help: 'They were never seen, or were erased before.',
  },
  TRIBUTARY_ERASURE_UNKNOWN: {
    message: 'There is no erasure {id}.',
    status: 404,
    sqlstate: '02000',
    retryable: false,
    help: '`tributary erasures list` shows those there are.',
  },
  TRIBUTARY_ERASURE_TOO_LARGE: {
    message: 'The erasure would name {count} {what}, limit {limit}.',
    status: 413,
    sqlstate: '54000',
    retryable: false,
    help: 'Drop old dead letters and warnings by their retention first.',
  },
  TRIBUTARY_ERASURE_LIST_INVALID: {
    message: 'The list of erasures cannot be used: {reason}.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
    help: '`tributary erasures export` writes one.',
  },
  TRIBUTARY_ERASURE_LIST_FULL: {
    message: 'The tenant has {limit} erasures, which is the limit.',
    status: 409,
    sqlstate: '54000',
    retryable: false,
  },
  TRIBUTARY_ERASURE_RECORD_UNKNOWN: {
    message: 'The log tells of an erasure with {name}, which this version does not know.',
    status: 503,
    sqlstate: '0A000',
    retryable: false,
    help: 'Run the appliance version that wrote it, or a newer one.',
  },
  // ── engine ────────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_ENGINE_SECRET_MALFORMED: {
    message: 'The secret {path} cannot be used: {reason}.',
    status: 500,
    sqlstate: '58000',
    retryable: false,
    help: 'Restore the file from a backup: without it profile ids change.',
  },
  TRIBUTARY_ENGINE_TENANT_UNKNOWN: {
    message: 'There is no tenant {id}.',
    status: 404,
    sqlstate: '3D000',
    retryable: false,
  },
  TRIBUTARY_ENGINE_CONFIGURATION_UNKNOWN: {
    message: 'The log configures {name} in a way this version does not know.',
    status: 503,
    sqlstate: '0A000',
    retryable: false,
    help: 'Run the appliance version that wrote it, or a newer one.',
  },
  TRIBUTARY_ENGINE_CHECKPOINT_FAILED: {
    message: 'A checkpoint could not be made: {reason}.',
    status: 503,
    sqlstate: '58000',
    retryable: true,
    help: 'It is tried again; until then a start replays more of the log.',
  },
  TRIBUTARY_ENGINE_CLOSED: {
    message: 'The appliance is shutting down.',
    status: 503,
    sqlstate: '57P01',
    retryable: true,
  },
  TRIBUTARY_ENGINE_QUEUE_FULL: {
    message: 'The write queue holds {queuedBytes} bytes, limit {limitBytes} bytes.',
    status: 429,
    sqlstate: '53400',
    retryable: true,
    help: 'Wait for the seconds in Retry-After and send the batch again.',
  },
  TRIBUTARY_ENGINE_POISONED: {
    message: 'Writes are refused since a sync of the log failed: {reason}.',
    status: 503,
    sqlstate: '58030',
    retryable: true,
    help: 'Check the disk and restart the appliance; it recovers from the log.',
  },
  // ── ingest ────────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_INGEST_JSON_MALFORMED: {
    message: 'The body is not valid JSON: {reason}.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
  },
  TRIBUTARY_INGEST_NDJSON_MALFORMED: {
    message: 'Line {line} of the body is not a JSON object.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
    help: 'In NDJSON every line is one event, and line ends inside strings are written as \\n.',
  },
  TRIBUTARY_INGEST_IMPORT_ROW_MALFORMED: {
    message: 'Row {row} of the import is not a JSON object.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
    help: 'Rows are counted from 0, blank lines left out. `nextRow` says where to go on.',
  },
  TRIBUTARY_INGEST_IMPORT_ROW_UNREADABLE: {
    message: 'Row {row} of the import cannot be read: {reason}.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
    help: 'The rows before it are stored. Mend it, and go on from `nextRow`.',
  },
  TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE: {
    message: 'Row {row} of the import is larger than {limitBytes} bytes.',
    status: 413,
    sqlstate: '54000',
    retryable: false,
    help: 'An event has at most 32 KiB. `nextRow` says where to go on.',
  },
  TRIBUTARY_INGEST_IMPORT_RUNNING: {
    message: 'The import {importId} is running already.',
    status: 409,
    sqlstate: '55006',
    retryable: false,
    help: 'Wait until it is over, or give this one another import_id.',
  },
  TRIBUTARY_INGEST_IMPORT_UNKNOWN: {
    message: 'Nothing is known of an import {importId}.',
    status: 404,
    sqlstate: '42704',
    retryable: false,
    help: 'Send it again: rows that are stored already are duplicates and change nothing.',
  },
  TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED: {
    message: 'The body is not {format} that can be read: {reason}.',
    status: 400,
    sqlstate: '22000',
    retryable: false,
    help: 'docs/formats.md says which types and compressions are understood.',
  },
  TRIBUTARY_INGEST_IMPORT_FILE_TOO_LARGE: {
    message: 'Reading the {format} file took more than {limitBytes} bytes of memory.',
    status: 413,
    sqlstate: '54000',
    retryable: false,
    help: 'Write smaller files, or smaller row groups.',
  },
  TRIBUTARY_INGEST_IMPORT_FILES_FULL: {
    message: '{count} Arrow or Parquet files are read already, limit {limit}.',
    status: 429,
    sqlstate: '53300',
    retryable: true,
    help: 'Wait for the seconds in Retry-After and send the file again.',
  },
  TRIBUTARY_INGEST_IMPORT_STALLED: {
    message: 'The import made no progress for {limitMs} ms.',
    status: 408,
    sqlstate: '57014',
    retryable: true,
    help: '`nextRow` says where to go on.',
  },
  TRIBUTARY_INGEST_IMPORT_JSON_MALFORMED: {
    message:
      'The body of the import is not an array of events, or an object with nothing but batch.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
    help: 'One object a line is `format=ndjson`.',
  },
  TRIBUTARY_INGEST_IMPORT_MSGPACK_MALFORMED: {
    message: 'Row {row} of the import is not a msgpack map.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
    help: 'One map or record of msgpackr after the other, and nothing between them.',
  },
  TRIBUTARY_INGEST_MESSAGE_UNKNOWN: {
    message: 'Nothing is known of a message {messageId}.',
    status: 404,
    sqlstate: '02000',
    retryable: false,
    help: 'It was never received, its batch was refused as a whole, or it is out of retention.',
  },
  TRIBUTARY_INGEST_MSGPACK_MALFORMED: {
    message: 'The payload is not valid msgpack: {reason}.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
  },
  TRIBUTARY_INGEST_MSGPACK_TOO_LARGE: {
    message: 'The payload is more than {limitBytes} bytes when it is written as JSON.',
    status: 413,
    sqlstate: '54000',
    retryable: false,
    help: 'Split the batch. Records repeat their keys in each event.',
  },
  TRIBUTARY_INGEST_JSON_TOO_DEEP: {
    message: 'The body nests objects and arrays too deeply, limit {limit} levels.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
  },
  TRIBUTARY_INGEST_NUMBER_OUT_OF_RANGE: {
    message: 'The body holds a number that does not fit 64 bits.',
    status: 400,
    sqlstate: '22003',
    retryable: false,
    help: 'Send such a number as a string.',
  },
  TRIBUTARY_INGEST_UTF8_INVALID: {
    message: 'The body is not valid UTF-8.',
    status: 400,
    sqlstate: '22021',
    retryable: false,
  },
  TRIBUTARY_INGEST_NOT_AN_EVENT: {
    message: 'The body is neither an event object nor an object with a batch array.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
    help: 'A list of events is sent as {"batch":[…]}.',
  },
  TRIBUTARY_INGEST_BATCH_TOO_MANY_EVENTS: {
    message: 'The batch holds too many events, limit {limit}.',
    status: 413,
    sqlstate: '54000',
    retryable: false,
    help: 'Split the batch.',
  },
  TRIBUTARY_INGEST_BATCH_CONTEXT_TOO_LARGE: {
    message:
      "The batch's context and integrations take more than {limitBytes} bytes in its events.",
    status: 413,
    sqlstate: '54000',
    retryable: false,
    help: 'They are copied into each event. Split the batch, or leave out what events do not need.',
  },
  TRIBUTARY_INGEST_EVENT_NOT_OBJECT: {
    message: 'An event is a JSON object.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
  },
  TRIBUTARY_INGEST_EVENT_TOO_LARGE: {
    message: 'The event is larger than {limit} bytes.',
    status: 413,
    sqlstate: '54000',
    retryable: false,
  },
  TRIBUTARY_INGEST_TYPE_UNKNOWN: {
    message: 'The type is none of track, identify, page, screen, group, alias.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
  },
  TRIBUTARY_INGEST_FIELD_TYPE: {
    message: 'The field {path} has the wrong type.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
  },
  TRIBUTARY_INGEST_FIELD_MISSING: {
    message: 'The field {path} is missing or empty.',
    status: 400,
    sqlstate: '23502',
    retryable: false,
  },
  TRIBUTARY_INGEST_FIELD_TOO_LONG: {
    message: 'The field {path} is too long.',
    status: 400,
    sqlstate: '22001',
    retryable: false,
  },
  TRIBUTARY_INGEST_TIMESTAMP_INVALID: {
    message: 'The field {path} is not an ISO 8601 timestamp.',
    status: 400,
    sqlstate: '22007',
    retryable: false,
  },
  TRIBUTARY_INGEST_NOT_IDENTIFIABLE: {
    message: 'The event has neither userId nor anonymousId.',
    status: 400,
    sqlstate: '23502',
    retryable: false,
  },
  TRIBUTARY_INGEST_BODY_TOO_LARGE: {
    message: 'The body is larger than {limitBytes} bytes.',
    status: 413,
    sqlstate: '54000',
    retryable: false,
    help: 'Send fewer events in one batch. The limit counts bytes after decompression.',
  },
  TRIBUTARY_INGEST_BODY_TIMEOUT: {
    message: 'The body was not complete after {limitMs} ms.',
    status: 408,
    sqlstate: '57014',
    retryable: true,
  },
  TRIBUTARY_INGEST_BODY_EMPTY: {
    message: 'The body is empty.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
  },
  TRIBUTARY_INGEST_ENCODING_UNKNOWN: {
    message: 'Content-Encoding {encoding} is not understood.',
    status: 415,
    sqlstate: '0A000',
    retryable: false,
    help: 'Send the body as it is, or with gzip, deflate or br.',
  },
  TRIBUTARY_INGEST_ENCODING_MALFORMED: {
    message: 'The body is not valid {encoding}: {reason}.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
  },
  TRIBUTARY_INGEST_ENCODING_RATIO: {
    message: 'The body inflates by more than {limit} to 1.',
    status: 413,
    sqlstate: '54000',
    retryable: false,
  },
  TRIBUTARY_INGEST_IN_FLIGHT_FULL: {
    message: 'Batches in flight hold {usedBytes} bytes, limit {limitBytes} bytes.',
    status: 429,
    sqlstate: '53400',
    retryable: true,
    help: 'Wait for the seconds in Retry-After and send the batch again.',
  },
  TRIBUTARY_INGEST_RATE_EXCEEDED: {
    message: 'The {scope} may send {limit} {unit} a second and has sent more.',
    status: 429,
    sqlstate: '53400',
    retryable: true,
    help: 'Wait for the seconds in Retry-After, until the average is below the limit again.',
  },
  TRIBUTARY_INGEST_BODY_TOO_SLOW: {
    message: '{bytes} bytes of the body came in {elapsedMs} ms, at least {limit} a second must.',
    status: 408,
    sqlstate: '57014',
    retryable: true,
  },
  TRIBUTARY_INGEST_ADDRESS_FULL: {
    message: '{count} requests from this address are under way, limit {limit}.',
    status: 429,
    sqlstate: '53300',
    retryable: true,
    help: 'Send larger batches. Behind a proxy all clients are one address until trusted_proxies names it.',
  },
  TRIBUTARY_INGEST_DISK_LOW: {
    message: 'The disk has {freeBytes} bytes free, batches are taken from {limitBytes} bytes.',
    status: 503,
    sqlstate: '53100',
    retryable: true,
    help: 'Free some space on the volume of data_dir, or lower disk_free_bytes_min. Queries go on.',
  },
  TRIBUTARY_INGEST_STARTING: {
    message: 'The appliance is starting: {progress}.',
    status: 503,
    sqlstate: '57P03',
    retryable: true,
  },
  TRIBUTARY_INGEST_PATH_UNKNOWN: {
    message: 'There is nothing at {path}{hint}.',
    status: 404,
    sqlstate: '42704',
    retryable: false,
    help: 'docs/http.md lists the paths.',
  },
  TRIBUTARY_INGEST_PARAMETER_UNKNOWN: {
    message: '{path} takes no query parameter {name}{hint}; it takes {known}.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
  },
  TRIBUTARY_INGEST_PARAMETER_REPEATED: {
    message: 'The query parameter {name} is given more than once.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
  },
  TRIBUTARY_INGEST_METHOD_NOT_ALLOWED: {
    message: '{path} does not take {method}; it takes {allowed}.',
    status: 405,
    sqlstate: '0A000',
    retryable: false,
  },
  TRIBUTARY_INGEST_UPGRADE_MISSING: {
    message: '{path} is a WebSocket: it takes requests that ask for the upgrade.',
    status: 426,
    sqlstate: '0A000',
    retryable: false,
    help: 'docs/websocket.md describes the stream; plain requests go to /v1/batch.',
  },
  TRIBUTARY_INGEST_STRICT_REJECTED: {
    message: '{rejected} of {received} events were rejected, and X-Strict-Mode is on.',
    status: 400,
    sqlstate: '22000',
    retryable: false,
    help: 'The others are stored. Correct what `rejected` lists and send those again.',
  },
  TRIBUTARY_INGEST_REQUEST_INVALID: {
    message: 'The request is not valid: {reason}.',
    status: 400,
    sqlstate: '22023',
    retryable: false,
  },
  TRIBUTARY_INGEST_FRAME_MALFORMED: {
    message: 'The frame is not valid: {reason}.',
    status: 400,
    sqlstate: '08P01',
    retryable: false,
    help: 'docs/websocket.md describes the frames.',
  },
  TRIBUTARY_INGEST_CREDIT_EXCEEDED: {
    message:
      'The batch of {bytes} bytes is beyond the credit of {batches} batches, {creditBytes} bytes.',
    status: 429,
    sqlstate: '53400',
    retryable: true,
    help: 'Wait for acknowledgements; each gives credit back.',
  },
  TRIBUTARY_INGEST_SOCKETS_FULL: {
    message: 'There are {count} open streams, limit {limit}.',
    status: 503,
    sqlstate: '53300',
    retryable: true,
  },
  TRIBUTARY_INGEST_TAILS_FULL: {
    message: 'There is no room for another live tail; {count} are open.',
    status: 429,
    sqlstate: '53400',
    retryable: true,
    help: 'A connection has 8 at most, the appliance 64. Unsubscribe one first.',
  },
  TRIBUTARY_INGEST_INTERNAL: {
    message: 'The appliance made a mistake; its log has the details.',
    status: 500,
    sqlstate: 'XX000',
    retryable: true,
  },
  // ── query ─────────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_QUERY_SYNTAX: {
    message: 'The SQL does not parse: {reason}.',
    status: 400,
    sqlstate: '42601',
    retryable: false,
  },
  TRIBUTARY_QUERY_COLUMN_UNKNOWN: {
    message: '{reason}.',
    status: 400,
    sqlstate: '42703',
    retryable: false,
    help: '`DESCRIBE events` lists the columns of a table.',
  },
  TRIBUTARY_QUERY_RELATION_UNKNOWN: {
    message: 'There is no table {name}{hint}.',
    status: 400,
    sqlstate: '42P01',
    retryable: false,
    help: '`SHOW TABLES` lists the tables; docs/sql.md describes them.',
  },
  TRIBUTARY_QUERY_FUNCTION_UNKNOWN: {
    message: 'There is no function {name} for analysts.',
    status: 400,
    sqlstate: '42883',
    retryable: false,
    help: "docs/sql.md says which of DuckDB's functions are open; functions that touch files, settings or the engine are not.",
  },
  TRIBUTARY_QUERY_INVALID: {
    message: 'The statement is not valid: {reason}.',
    status: 400,
    sqlstate: '42000',
    retryable: false,
  },
  TRIBUTARY_QUERY_STATEMENT_DENIED: {
    message: '{what} is not open to analysts.',
    status: 403,
    sqlstate: '42501',
    retryable: false,
    help: 'One SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES or EXPLAIN of these is.',
  },
  TRIBUTARY_QUERY_VALUE_INVALID: {
    message: 'A value does not fit: {reason}.',
    status: 400,
    sqlstate: '22000',
    retryable: false,
    help: 'TRY_CAST and TRY() give NULL where a value does not fit.',
  },
  TRIBUTARY_QUERY_PARAMETERS_INVALID: {
    message: 'The parameters do not fit the statement: {reason}.',
    status: 400,
    sqlstate: '07001',
    retryable: false,
    help: '`params` is a list of strings, numbers, booleans and nulls, one for each $1, $2, … or ?.',
  },
  TRIBUTARY_QUERY_REQUEST_INVALID: {
    message: 'The query request is not valid: {reason}.',
    status: 400,
    sqlstate: '08P01',
    retryable: false,
  },
  TRIBUTARY_QUERY_TEXT_TOO_LARGE: {
    message: 'The {what} is {bytes} bytes, limit {limitBytes} bytes.',
    status: 413,
    sqlstate: '54000',
    retryable: false,
  },
  TRIBUTARY_QUERY_TIMEOUT: {
    message: 'The statement ran for {elapsedMs} ms, limit {limitMs} ms.',
    status: 504,
    sqlstate: '57014',
    retryable: false,
    help: 'Narrow it by `timestamp` or `received_at`, or give a longer `timeout_ms` (`tributary sql --timeout-ms`).',
  },
  TRIBUTARY_QUERY_CANCELLED: {
    message: 'The statement was cancelled.',
    status: 499,
    sqlstate: '57014',
    retryable: false,
  },
  TRIBUTARY_QUERY_QUEUE_FULL: {
    message: '{queuedCount} queries wait already, limit {limit}.',
    status: 429,
    sqlstate: '53300',
    retryable: true,
    help: 'Wait for the seconds in Retry-After and ask again.',
  },
  TRIBUTARY_QUERY_WORKER_LOST: {
    message: 'The process that ran the query ended: {reason}.',
    status: 503,
    sqlstate: '57P02',
    retryable: true,
    help: 'A statement that needs more memory than a query worker may have is the usual cause.',
  },
  TRIBUTARY_QUERY_UNAVAILABLE: {
    message: 'No query worker could be started: {reason}.',
    status: 503,
    sqlstate: '57P03',
    retryable: true,
    help: 'The log of the appliance says why.',
  },
  TRIBUTARY_QUERY_MEMORY_EXCEEDED: {
    message: 'The statement needs more memory than the {limitBytes} bytes a query may use.',
    status: 422,
    sqlstate: '53200',
    retryable: false,
    help: 'Aggregate or filter earlier, or select fewer columns.',
  },
  TRIBUTARY_QUERY_SPILL_EXCEEDED: {
    message: 'The statement needs more temporary disk space than a query may use.',
    status: 422,
    sqlstate: '53100',
    retryable: false,
    help: 'Aggregate or filter earlier, or select fewer columns.',
  },
  TRIBUTARY_QUERY_RESULT_TOO_LARGE: {
    message: 'The result is larger than {limit} {unit}.',
    status: 413,
    sqlstate: '54000',
    retryable: false,
    help: 'Aggregate, or add a LIMIT.',
  },
  TRIBUTARY_QUERY_CLOSED: {
    message: 'The query service is shutting down.',
    status: 503,
    sqlstate: '57P01',
    retryable: true,
  },
  TRIBUTARY_QUERY_FAILED: {
    message: 'The query engine failed on this statement: {reason}.',
    status: 500,
    sqlstate: 'XX000',
    retryable: false,
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;
export type ErrorParameters = Readonly<Record<string, string | number | bigint>>;

/** The one error class. `cause` and the stack stay in the log and never reach a client. */
export class TributaryError extends Error {
  override readonly name = 'TributaryError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly sqlstate: string;
  readonly retryable: boolean;
  readonly help: string | undefined;
  /** Whole seconds until the same request may succeed, where the parameter of that name says so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, parameters: ErrorParameters = {}, cause?: unknown) {
    const entry: ErrorEntry = ERRORS[code];
    super(fillTemplate(entry.message, parameters), cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = entry.status;
    this.sqlstate = entry.sqlstate;
    this.retryable = entry.retryable;
    this.help = entry.help;
    const wait = parameters['retryAfterSeconds'];
    this.retryAfterSeconds = typeof wait === 'number' ? wait : undefined;
  }

  /** What a client sees: no stack, no path, no cause. */
  toJSON(): { code: ErrorCode; message: string; retryable: boolean; help?: string } {
    const body = { code: this.code, message: this.message, retryable: this.retryable };
    return this.help === undefined ? body : { ...body, help: this.help };
  }
}

/**
 * Replaces each `{name}` in `template`; a name without a parameter is left as it stands. A reason at the end, which others
 * worded, may bring a full stop of its own: one is enough.
 */
export function fillTemplate(template: string, parameters: ErrorParameters): string {
  const filled = template.replace(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(parameters, name) ? String(parameters[name]) : whole,
  );
  return template.endsWith('}.') ? filled.replace(/\.[.\s]+$/, '.') : filled;
}
