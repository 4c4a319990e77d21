/** A hot table of events whose older rows lie in Parquet files, and a query service over both. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { HOT_CATALOG } from '../../query/catalog.ts';
import type { SqlService } from '../../query/sql-service.ts';
import {
  type ColdColumn,
  type ColdFile,
  coldFileOf,
  coldListFile,
  serialiseColdList,
} from '../../storage/cold-list.ts';
import { DEAD_LETTERS_SCHEMA } from '../../storage/dead-letters-schema.ts';
import { EDGES_SCHEMA } from '../../storage/edges-schema.ts';
import { EVENTS_SCHEMA } from '../../storage/events-schema.ts';
import { writeHotFile } from '../../storage/hot-directory.ts';
import type { HotTable } from '../../storage/hot-table.ts';
import { EVENTS_TABLE } from '../../storage/lake/lake-tables.ts';
import type { LakeSchema } from '../../storage/lake/schema.ts';
import { MERGES_SCHEMA } from '../../storage/merges-schema.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import { WARNINGS_SCHEMA } from '../../storage/warnings-schema.ts';
import { openHotFixture } from '../native/scan-harness.ts';
import { inlineEncoder } from '../support/inline-encoder.ts';
import { openService } from './sql-fixture.ts';

const NEW_YEAR_MICROS = Date.UTC(2026, 0, 1) * 1000;
const HOUR_MICROS = 3600 * 1_000_000;
const COLUMNS: readonly ColdColumn[] = EVENTS_SCHEMA.columns.map(({ name, type }, index) => {
  return { id: index + 1, name, hotType: type, type: EVENTS_TABLE.columns[index]!.type };
});

/** As if a column had had another name: files of this schema are read by field id. */
const OLDER_SCHEMA: LakeSchema = {
  schemaId: 0,
  columns: [{ ...COLUMNS[0]!, name: 'before', personal: false }],
};

/** A hot table of events whose older rows are moved to files of the test's own lake. */
export class TieredEvents {
  readonly events: HotTable;
  readonly service: SqlService;
  readonly hotDirectory: string;
  readonly #lake: string;
  #files: ColdFile[] = [];
  #version = 0;
  #rows = 0;

  static async open(context: TestContext): Promise<TieredEvents> {
    const fixture = openHotFixture();
    const lake = mkdtempSync(join(tmpdir(), 'tributary-lake-'));
    context.after(() => {
      fixture.close();
      rmSync(lake, { recursive: true });
    });
    const events = fixture.table(EVENTS_SCHEMA, 100);
    for (const schema of [EDGES_SCHEMA, MERGES_SCHEMA, DEAD_LETTERS_SCHEMA, WARNINGS_SCHEMA]) {
      fixture.table(schema, 100);
    }
    const service = await openService(context, {
      settings: {
        hotDirectory: fixture.directory,
        coldDirectory: lake,
        catalog: HOT_CATALOG,
      },
    });
    return new TieredEvents(events, service, fixture.directory, lake);
  }

  private constructor(events: HotTable, service: SqlService, hotDirectory: string, lake: string) {
    this.events = events;
    this.service = service;
    this.hotDirectory = hotDirectory;
    this.#lake = lake;
  }

  /** Appends and publishes rows; row `n` has sequence n + 1, happened n hours into the year. */
  append(
    count: number,
    eventOf: (row: number) => string | null = (row) => `event ${row % 3}`,
  ): void {
    for (let added = 0; added < count; added += 1) {
      const row = this.events.beginRow(200);
      row.setU64(position('sequence'), this.#rows + 1);
      row.setUtf8(position('message_id'), `m${this.#rows}`);
      row.setDictionary(position('type'), 'track');
      const event = eventOf(this.#rows);
      if (event !== null) row.setDictionary(position('event'), event);
      row.setU32(position('anchor'), 1 + Math.floor(this.#rows / 50));
      for (const name of ['timestamp', 'received_at']) {
        row.setTimestamp(position(name), NEW_YEAR_MICROS + this.#rows * HOUR_MICROS);
      }
      row.setJson(position('properties'), `{"number": ${this.#rows}}`);
      row.endRow();
      this.#rows += 1;
    }
    this.events.publishTo(this.#rows);
  }

  /** Moves the rows below `floor` to cold files. */
  async flush(floor: number): Promise<void> {
    const from = this.events.floorRow;
    const slices = this.events.segments.flatMap(({ path, firstRow, stagedRows }) => {
      const fromRow = Math.max(from - firstRow, 0);
      const toRow = Math.min(floor - firstRow, stagedRows);
      return fromRow < toRow ? [{ path, fromRow, toRow }] : [];
    });
    this.#version += 1;
    const encoded = await inlineEncoder(new NodeFileSystem()).encode({
      slices,
      columns: COLUMNS.map((column) => ({ ...column, personal: false })),
      dayColumn: 'received_at',
      isUrgent: false,
      output: join(this.#lake, 'encoded'),
      temporaryDirectory: this.#lake,
    });
    for (const { path: encodedPath, day, rows, columns: metrics, splitOffsets } of encoded) {
      const path = `data/day=${day}/${this.#version}.parquet`;
      mkdirSync(join(this.#lake, `data/day=${day}`), { recursive: true });
      const file = {
        location: path,
        day,
        recordCount: rows,
        fileBytes: statSync(encodedPath).size,
        columns: metrics,
        splitOffsets,
        sorted: false,
      };
      const schemas = this.#version % 2 === 0 ? [] : [OLDER_SCHEMA];
      this.#files = [...this.#files, coldFileOf(file, path, COLUMNS, schemas)];
      renameSync(encodedPath, join(this.#lake, path));
    }
    const list = serialiseColdList({ columns: COLUMNS, files: this.#files, except: [] });
    writeHotFile(join(this.hotDirectory, coldListFile('events', this.#version)), list);
    this.events.setCold(floor, this.#version);
  }
}

function position(name: string): number {
  return EVENTS_SCHEMA.columns.findIndex((column) => column.name === name);
}
