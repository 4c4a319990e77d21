/**
 * Files and directories of the memory file system, each with its durable image and the changes that
 * wait for a sync.
 *
 * - volatile image = durable image + all pending changes, in order.
 * - crashed image = durable image + a random part of the pending changes. Each change of a directory
 *   survives or not as a whole (a rename is never half there); a write may survive in part.
 */

type Random = () => number;

/** The unit a disk writes atomically. */
const SECTOR_BYTES = 512;
const NOTHING = new Uint8Array(0);

type FileChange =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly length: number };

export class MemoryFile {
  readonly #durable: GrowableBytes;
  readonly #volatile: GrowableBytes;
  #pending: FileChange[];
  modifiedMicros = 0;

  constructor(
    durable = new GrowableBytes(),
    volatile = new GrowableBytes(),
    pending: readonly FileChange[] = [],
  ) {
    this.#durable = durable;
    this.#volatile = volatile;
    this.#pending = [...pending];
  }

  get volatile(): Uint8Array {
    return this.#volatile.view();
  }

  write(bytes: Uint8Array, position: number): void {
    this.#volatile.write(bytes, position);
    this.#pending.push({ kind: 'write', position, bytes });
  }

  truncate(length: number): void {
    this.#volatile.resize(length);
    this.#pending.push({ kind: 'truncate', length });
  }

  sync(): void {
    for (const change of this.#pending) applyTo(this.#durable, change);
    this.#pending = [];
  }

  dropPending(): void {
    this.#volatile.resize(0);
    this.#volatile.write(this.#durable.view(), 0);
    this.#pending = [];
  }

  /** Flips the bits of `mask` in one byte, durable or not, without anybody having written it. */
  decay(position: number, mask: number): void {
    this.#durable.flip(position, mask);
    this.#volatile.flip(position, mask);
  }

  /** The same file: the same images, the same changes pending. */
  copied(): MemoryFile {
    const copy = new MemoryFile(this.#durable.copied(), this.#volatile.copied(), this.#pending);
    copy.modifiedMicros = this.modifiedMicros;
    return copy;
  }

  /** A file as a power cut would leave this one: all of it durable, nothing pending. */
  crashed(random: Random): MemoryFile {
    const image = this.#durable.copied();
    for (const change of this.#pending) {
      if (change.kind === 'write') keepPart(image, change.position, change.bytes, random);
      else if (random() < 0.5) applyTo(image, change);
    }
    const survivor = new MemoryFile(image, image.copied());
    survivor.modifiedMicros = this.modifiedMicros;
    return survivor;
  }
}

function applyTo(image: GrowableBytes, change: FileChange): void {
  if (change.kind === 'write') image.write(change.bytes, change.position);
  else image.resize(change.length);
}

/** Keeps of a write: everything, nothing, only the length (zeros), a prefix, or some sectors. */
function keepPart(image: GrowableBytes, position: number, bytes: Uint8Array, random: Random): void {
  const fate = Math.floor(random() * 5);
  if (fate === 0) image.write(bytes, position);
  if (fate === 1 || bytes.length === 0) return;
  if (fate === 2) image.resize(Math.max(image.length, position + bytes.length));
  if (fate === 3) image.write(bytes.subarray(0, Math.floor(random() * bytes.length)), position);
  if (fate !== 4) return;
  for (let start = 0; start < bytes.length; start += SECTOR_BYTES) {
    if (random() < 0.5) image.write(bytes.subarray(start, start + SECTOR_BYTES), position + start);
  }
}

type Entry = MemoryFile | MemoryDirectory;

/** A name taken off, a name put on, or both at once. */
interface DirectoryChange {
  readonly remove?: string;
  readonly add?: { readonly name: string; readonly entry: Entry };
}

export class MemoryDirectory {
  readonly #durable = new Map<string, Entry>();
  readonly #volatile = new Map<string, Entry>();
  #pending: DirectoryChange[] = [];

  get entries(): ReadonlyMap<string, Entry> {
    return this.#volatile;
  }

  set(name: string, entry: Entry): void {
    this.#change({ add: { name, entry } });
  }

  delete(name: string): void {
    this.#change({ remove: name });
  }

  /** @returns whether `from` was there. */
  rename(from: string, to: string): boolean {
    const entry = this.#volatile.get(from);
    if (entry === undefined) return false;
    this.#change({ remove: from, add: { name: to, entry } });
    return true;
  }

  sync(): void {
    for (const change of this.#pending) rename(this.#durable, change);
    this.#pending = [];
  }

  /** The same directory; `copies` holds the entries met so far. */
  copied(copies = new Map<Entry, Entry>()): MemoryDirectory {
    const copy = new MemoryDirectory();
    const copyOf = (entry: Entry): Entry => {
      const known = copies.get(entry) ?? entry.copied(copies);
      copies.set(entry, known);
      return known;
    };
    for (const [name, entry] of this.#durable) copy.#durable.set(name, copyOf(entry));
    for (const [name, entry] of this.#volatile) copy.#volatile.set(name, copyOf(entry));
    copy.#pending = this.#pending.map(({ remove, add }) => ({
      ...(remove !== undefined && { remove }),
      ...(add !== undefined && { add: { name: add.name, entry: copyOf(add.entry) } }),
    }));
    return copy;
  }

  /** `survivors` holds the files met so far: one with two names is still one file afterwards. */
  crashed(random: Random, survivors = new Map<MemoryFile, MemoryFile>()): MemoryDirectory {
    const names = new Map(this.#durable);
    for (const change of this.#pending) if (random() < 0.5) rename(names, change);
    const survivor = new MemoryDirectory();
    for (const [name, entry] of names) {
      if (entry instanceof MemoryDirectory) {
        survivor.set(name, entry.crashed(random, survivors));
        continue;
      }
      const file = survivors.get(entry) ?? entry.crashed(random);
      survivors.set(entry, file);
      survivor.set(name, file);
    }
    survivor.sync();
    return survivor;
  }

  /** The files below it, by their paths behind `prefix`. */
  *files(prefix: string): Generator<[string, MemoryFile]> {
    for (const [name, entry] of [...this.#volatile].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (entry instanceof MemoryFile) yield [`${prefix}/${name}`, entry];
      else yield* entry.files(`${prefix}/${name}`);
    }
  }

  usedBytes(): number {
    let bytes = 0;
    for (const entry of this.#volatile.values()) {
      bytes += entry instanceof MemoryFile ? entry.volatile.length : entry.usedBytes();
    }
    return bytes;
  }

  #change(change: DirectoryChange): void {
    rename(this.#volatile, change);
    this.#pending.push(change);
  }
}

function rename(entries: Map<string, Entry>, change: DirectoryChange): void {
  if (change.remove !== undefined) entries.delete(change.remove);
  if (change.add !== undefined) entries.set(change.add.name, change.add.entry);
}

/**
 * Bytes that grow by doubling; what lies between the old end and a write beyond it reads as zero. Copies
 * share memory until one of them changes: of the many files of a crash image few do.
 */
class GrowableBytes {
  length = 0;
  #bytes = NOTHING;
  #isShared = true;

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  copied(): GrowableBytes {
    const copy = new GrowableBytes();
    copy.length = this.length;
    copy.#bytes = this.#bytes;
    this.#isShared = true;
    return copy;
  }

  write(bytes: Uint8Array, position: number): void {
    this.resize(Math.max(this.length, position + bytes.length));
    this.#bytes.set(bytes, position);
  }

  flip(position: number, mask: number): void {
    if (position >= this.length) return;
    this.#own(this.#bytes.length);
    this.#bytes[position]! ^= mask;
  }

  resize(length: number): void {
    this.#own(length);
    if (length < this.length) this.#bytes.fill(0, length, this.length);
    this.length = length;
  }

  /** Makes the bytes this one's alone, with room for `length` of them. */
  #own(length: number): void {
    const room = this.#bytes.length;
    if (!this.#isShared && length <= room) return;
    const bytes = new Uint8Array(length <= room ? room : Math.max(length, 2 * room));
    bytes.set(this.view());
    this.#bytes = bytes;
    this.#isShared = false;
  }
}
