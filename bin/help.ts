/** The texts of `tributary help`. Options come from the table, so help cannot fall behind it. */
import { formatBytes } from '../base/units.ts';
import { flagOf, formatValue, OPTIONS, type OptionName, OTHER_VARIABLES } from './options.ts';

const OVERVIEW = `tributary: a customer data platform on one machine

  tributary serve               start the appliance
  tributary sql STATEMENT       run a query and print its result
  tributary send FILE.ndjson    send events from a file, or from standard input with -
  tributary dead-letters export what was not accepted, as NDJSON to repair; or replay it as it is
  tributary lake token          make, list and end the tokens other engines read the lake with
  tributary lake files          files of the lake by table and day; and flush, compact, erase, retain, profiles, expire, orphans
  tributary identity            undo, split, block, unblock, link, unlink who is who; read, set and try rules; declare traits
  tributary erase PERSON        take a person out of everything; erasures tells what became of it
  tributary backup --to DIR     copy the data, while the appliance serves or not; list and verify backups
  tributary restore --from DIR  put a backup into an empty data directory
  tributary verify              read every stored byte again and hold it against its checksums
  tributary config show         the configuration in effect, and where each value comes from
  tributary help [COMMAND]      this, or the options of a command
  tributary --version
`;

const CLIENT_OPTIONS = `  --url URL        the appliance; TRIBUTARY_URL, else http://127.0.0.1:8080
  --key KEY        TRIBUTARY_KEY`;

const SQL = `tributary sql STATEMENT [-p VALUE]...

Runs one SELECT and prints its result. STATEMENT may be - to read it from standard input.

${CLIENT_OPTIONS}, an admin key
  -p, --param VALUE  a value for $1, $2, …: JSON, or text when it is not JSON
  --format FORMAT  table (the default), json or ndjson
  --timeout-ms N   how long it may run, up to an hour (the appliance's query_timeout_ms)
`;

const SEND = `tributary send FILE.ndjson

Sends one event a line in batches, waits when the appliance asks to, and counts what became of them.
FILE may be - for standard input. Give events a messageId: then a batch that is sent again after a broken
connection is counted once.

${CLIENT_OPTIONS}, a write key
  --batch-events N     events of one batch, 1 to 10000 (500)
  --concurrency N      batches under way at once, 1 to 64 (4)
`;

const DEAD_LETTERS = `tributary dead-letters export|replay [--where CONDITION]

export prints events that were not accepted, one a line, for repair: then \`tributary send\` them.
replay sends them again as they are. Both may be repeated: an event that was accepted is not stored twice.

${CLIENT_OPTIONS}, an admin key
  --where CONDITION    SQL over dead_letters, such as "code LIKE '%TOO_LARGE'"
  --write-key KEY      for replay; TRIBUTARY_WRITE_KEY
  --batch-events N     events of one batch, 1 to 10000 (500)
  --concurrency N      batches under way at once, 1 to 64 (4)
`;

const LAKE = `tributary lake files
tributary lake flush | compact | erase | retain | profiles | expire | orphans [--dry-run]
tributary lake token create NAME | list | revoke ID

files counts the files of this tenant's lake by table and day. The tasks are done by the appliance itself as well:
flush puts the newest rows into files, compact makes large sorted files of small ones, erase takes erased people out
of files, retain drops rows older than their retention, profiles writes the tables profiles and identifiers as of
what is flushed, expire forgets old snapshots, orphans moves objects that
nothing refers to into the trash. What each did is printed as JSON.

create prints a token with which another engine (ClickHouse, Trino, Spark) reads this tenant's tables over the
Iceberg REST catalog, at the path /iceberg. It is shown once. revoke ends it, and every key it was given.

${CLIENT_OPTIONS}, an admin key
  --dry-run        only say what a task would do
`;

const IDENTITY = `tributary identity undo MERGE
tributary identity split PROFILE TYPE=VALUE...
tributary identity block TYPE=VALUE [--retroactive]
tributary identity unblock TYPE=VALUE
tributary identity link TYPE=VALUE TYPE=VALUE [--force]
tributary identity unlink TYPE=VALUE TYPE=VALUE
tributary identity rules get
tributary identity rules set FILE
tributary identity traits get
tributary identity traits set FILE
tributary identity what-if FILE [--examples N]

undo takes a merge of the table merges back; split takes identifiers out of a profile; block makes a value name
nobody, and unblock takes that back; link makes two identifiers one person, unlink keeps them apart. The profiles before and after are printed as
JSON, and the exit code is 1 when nothing was changed, with the reason. rules get prints the rules of identity as JSON; edit them
and rules set FILE, or - for standard input, puts them in place unless they were changed meanwhile. traits get and
traits set FILE do so with the declared traits, the typed columns of profiles.
what-if FILE tries a rule set on all events there are, without changing anything, and prints how people would be told
apart: how many profiles would be split or become one, and the N (20) most affected of each kind.

${CLIENT_OPTIONS}, an admin key
  --dry-run        only say what it would do
  --retroactive    block: what the value joined before is taken apart as well
  --force          link: also two known users, or beyond a limit
`;

const PLACE_OPTIONS = `  --data-dir DIR   the appliance's data_dir; --config FILE and TRIBUTARY_DATA_DIR say it too
  --lake-bucket B  its lake_bucket`;

const ERASE = `tributary erase TYPE=VALUE | PROFILE

Erases a person: whoever the identifier belongs to, or the profile of that id. No query sees anything of them once
it is answered; files are rewritten later. It cannot be taken back.

  --reason TEXT    kept with the erasure; no place for personal data
  --dry-run        only show what would go
${CLIENT_OPTIONS}, an admin key
`;

const ERASURES = `tributary erasures list | show ID | export

Prints the erasures of a tenant, or one, and how far they have come: hidden from every query, rewritten in the
files of the lake, gone from the disk. export prints the list that tributary restore takes with --erasures; keep it
apart from the backups. It has keyed hashes and no identifiers.

${CLIENT_OPTIONS}, an admin key
`;

const BACKUP = `tributary backup --to DIR | list DIR | verify DIR [ID]

Copies the data of an appliance into DIR, beside it or while it is stopped. Only what DIR has not got is copied;
each backup is whole by itself. One that is interrupted leaves the earlier ones as they are. DIR then holds
secrets and personal data: keep it as safe as the data itself.

${PLACE_OPTIONS}
  --keep N         remove all backups in DIR but the newest N (none)

list prints the ids of the backups; verify reads one again, the newest unless ID is given, and exits with 1 when
something is damaged.
`;

const RESTORE = `tributary restore --from DIR --to DATA

Puts a backup into DATA, which is empty or not there yet, and checks every checksum on the way. Then start the
appliance with --data-dir DATA.

  --backup ID      the one to restore; the newest unless given
  --erasures FILE  a list that tributary erasures export has written: the first start erases again whom it names
`;

const VERIFY = `tributary verify

Reads every stored byte of an appliance, serving or stopped, and holds it against its checksums: control file,
secrets, log, metadata and data files of the lake. Exits with 1 when something is damaged.

${PLACE_OPTIONS}
`;

/** @returns undefined for a command there is not. */
export function helpFor(command: string | undefined): string | undefined {
  switch (command) {
    case undefined:
      return OVERVIEW;
    case 'serve':
      return `tributary serve\n\nStarts the appliance and runs until SIGTERM or SIGINT.\n\n${serveOptions()}`;
    case 'config':
      return `tributary config show\n\nTakes the options of serve and prints what would be in effect.\n\n${serveOptions()}`;
    case 'sql':
      return SQL;
    case 'send':
      return SEND;
    case 'dead-letters':
      return DEAD_LETTERS;
    case 'lake':
      return LAKE;
    case 'identity':
      return IDENTITY;
    case 'erase':
      return ERASE;
    case 'erasures':
      return ERASURES;
    case 'backup':
      return BACKUP;
    case 'restore':
      return RESTORE;
    case 'verify':
      return VERIFY;
    default:
      return undefined;
  }
}

function serveOptions(): string {
  const names = Object.keys(OPTIONS) as OptionName[];
  const lines = names.map((name) => {
    const { fallback, help } = OPTIONS[name];
    const isSize = name.includes('bytes') && typeof fallback === 'number' && fallback > 0;
    const shown = isSize ? formatBytes(fallback).replace('.0 ', '') : formatValue(fallback);
    return `  --${flagOf(name).padEnd(24)} ${help}${shown === '' ? '' : ` (${shown})`}`;
  });
  const variables = Object.entries(OTHER_VARIABLES).map(
    ([name, help]) => `  ${name.padEnd(30)} ${help}`,
  );
  return `  --config FILE              A TOML file with these options, as data_dir = "…".
${lines.join('\n')}

Each option is also a variable: --data-dir is TRIBUTARY_DATA_DIR. Other variables:

${variables.join('\n')}
`;
}
