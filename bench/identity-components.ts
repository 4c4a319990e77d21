/**
 * The same edges into Kùzu and into our graph with rules off, from the same CSV files: who finds the
 * components faster. Every round asserts that both give the components of a plain union-find.
 *
 * Ours keeps components up to date as edges come, so its time is that of taking the edges; Kùzu loads
 * them and then runs its algorithm. Both keep the edges, and neither syncs. Opening an empty store, and
 * closing it, is left out on both sides.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '../base/random.ts';
import { EdgeGraph } from '../identity/edge-graph.ts';
import { IdentityJournal } from '../identity/identity-journal.ts';
import { ProfileStore } from '../identity/profile-store.ts';
import { isKuzuInstalled, kuzuComponents } from './kuzu.ts';
import { PairReader } from './pair-reader.ts';
import { median } from './statistics.ts';
import { perSecond, type Workload } from './workload.ts';

const EDGES = 1_000_000;
/** Runs that are not measured: in them the code of a new process is being compiled. */
const WARM_UP_RUNS = 3;
const PERSON_IDENTIFIERS_MAX = 12;
const EDGES_PER_IDENTIFIER = 1.5;
const EXTERNAL_ID = 5;
/** Room is made for so many at once: a few mebibytes. */
const ROOM_EDGES = 2 ** 18;

export interface RandomEdges {
  readonly nodes: number;
  /** Pairs: from 2i to 2i + 1. Nodes count from 1. */
  readonly pairs: Uint32Array;
}

/** People of 1 to 12 identifiers, with edges between identifiers of one person, some of them repeated. */
export function randomEdges(edges: number, seed: number): RandomEdges {
  const random = seededRandom(seed);
  const pairs = new Uint32Array(edges * 2);
  let nodes = 0;
  for (let at = 0; at < edges; ) {
    const size = 1 + Math.floor(random() * PERSON_IDENTIFIERS_MAX);
    for (let count = Math.ceil(size * EDGES_PER_IDENTIFIER); count > 0 && at < edges; count -= 1) {
      const a = Math.floor(random() * size);
      const b = Math.floor(random() * size);
      if (a === b) continue;
      pairs[at * 2] = nodes + 1 + a;
      pairs[at * 2 + 1] = nodes + 1 + b;
      at += 1;
    }
    nodes += size;
  }
  return { nodes, pairs };
}

/** The component of node n at n, named by its lowest node: the slow obvious way. */
export function plainComponents({ nodes, pairs }: RandomEdges): Uint32Array {
  const parents = Uint32Array.from({ length: nodes + 1 }, (_, node) => node);
  const rootOf = (node: number): number => {
    let root = node;
    while (parents[root] !== root) root = parents[root]!;
    for (let at = node; at !== root; ) [at, parents[at]] = [parents[at]!, root];
    return root;
  };
  for (let at = 0; at < pairs.length; at += 2) {
    const [a, b] = [rootOf(pairs[at]!), rootOf(pairs[at + 1]!)];
    parents[Math.max(a, b)] = Math.min(a, b);
  }
  return parents.map((_, node) => rootOf(node));
}

/** Names each component by its lowest node, so that two ways can be compared. */
export function canonical(components: Uint32Array): Uint32Array {
  const lowest = new Map<number, number>();
  return components.map((component, node) => {
    if (node === 0) return 0;
    if (!lowest.has(component)) lowest.set(component, node);
    return lowest.get(component)!;
  });
}

export interface GraphComponents {
  /** From the first byte of the file to the last edge taken. */
  readonly elapsedMs: number;
  /** The profile of node n at n. */
  readonly components: Uint32Array;
}

/** Takes the edges of a CSV file into a new graph. @param csv reads it. */
export function graphComponents(
  directory: string,
  nodes: number,
  edgesPath: string,
  csv: PairReader,
): GraphComponents {
  const anchorsMax = nodes + ROOM_EDGES;
  const profiles = new ProfileStore({ directory, secret: Buffer.alloc(16), anchorsMax });
  const edges = new EdgeGraph({ directory, anchorsMax });
  const journal = new IdentityJournal({ append() {}, appendMerge() {} }, edges, profiles);
  try {
    const startMs = performance.now();
    csv.read(edgesPath);
    profiles.prepare(nodes, 1);
    addNodes(nodes, profiles);
    let room = 0;
    for (let taken = 0, lines = csv.linesBeyond(0); lines > taken; lines = csv.linesBeyond(taken)) {
      if (room < lines) {
        room = taken + ROOM_EDGES;
        edges.prepare(nodes + 1, ROOM_EDGES, 1);
      }
      const end = Math.min(lines, room);
      takeEdges(csv.pairs.subarray(2 * taken, 2 * end), profiles, edges, journal);
      taken = end;
    }
    const components = profiles.profileOf.slice(0, nodes + 1);
    return { elapsedMs: performance.now() - startMs, components };
  } finally {
    edges.close();
    profiles.close();
  }
}

/** Each a profile of its own; the anchor of node n is n. */
function addNodes(nodes: number, profiles: ProfileStore): void {
  for (let node = 1; node <= nodes; node += 1) profiles.addProfile(node, EXTERNAL_ID, 0);
}

/** What the resolver does for edges that no rule speaks against. */
function takeEdges(
  pairs: Uint32Array,
  { profileOf }: ProfileStore,
  edges: EdgeGraph,
  journal: IdentityJournal,
): void {
  for (let at = 0; at < pairs.length; at += 2) {
    const a = pairs[at]!;
    const b = pairs[at + 1]!;
    const first = profileOf[a]!;
    const second = profileOf[b]!;
    const joins = first !== second;
    if (!joins && edges.between(a, b) !== 0) continue;
    const edge = journal.addEdge(a, b, 'observed', 'active', joins ? 'joined' : 'confirmed');
    if (joins) journal.merge(first, second, edge);
  }
}

export function writeCsv(directory: string, { nodes, pairs }: RandomEdges): [string, string] {
  const [nodesPath, edgesPath] = [join(directory, 'nodes.csv'), join(directory, 'edges.csv')];
  const lines: string[] = [];
  for (let node = 1; node <= nodes; node += 1) lines.push(`${node}\n`);
  writeFileSync(nodesPath, lines.join(''));
  lines.length = 0;
  for (let at = 0; at < pairs.length; at += 2) lines.push(`${pairs[at]},${pairs[at + 1]}\n`);
  writeFileSync(edgesPath, lines.join(''));
  return [nodesPath, edgesPath];
}

export const identityComponents: Workload = {
  name: 'identity-components',
  summary: 'edges into components of people; against Kùzu, a graph database',
  async run({ options, scratch, report, progress }) {
    const { seed, events: count = EDGES } = options;
    const isHeldAgainst = options.peers && isKuzuInstalled();
    if (options.peers && !isHeldAgainst)
      progress('Kùzu is not installed in bench/peers: without it');
    const drawn = randomEdges(count, seed);
    const expected = plainComponents(drawn);
    const [nodesPath, edgesPath] = writeCsv(scratch.makeDiskDirectory('csv'), drawn);
    progress(`${count} edges between ${drawn.nodes} identifiers`);
    const csv = new PairReader(count);
    const measureOurs = (): number => {
      const hot = scratch.hotPath('graph');
      mkdirSync(hot);
      const { elapsedMs, components } = graphComponents(hot, drawn.nodes, edgesPath, csv);
      scratch.discard(hot);
      assertSame('ours', canonical(components), expected);
      return elapsedMs;
    };
    const ours: number[] = [];
    const kuzu: number[] = [];
    const kuzuAlgorithm: number[] = [];
    try {
      while (ours.length < options.rounds) {
        // While Kùzu works V8 collects the graph of the last round, and drops the code that was compiled for it.
        for (let run = 0; run < WARM_UP_RUNS; run += 1) measureOurs();
        ours.push(measureOurs());
        progress(`round ${ours.length}: ours ${Math.round(ours.at(-1)!)} ms`);
        if (!isHeldAgainst) continue;
        const directory = scratch.makeDiskDirectory('kuzu');
        const peer = await kuzuComponents(directory, nodesPath, edgesPath);
        scratch.discard(directory);
        assertSame('Kùzu', canonical(peer.components), expected);
        kuzu.push(peer.loadMs + peer.componentsMs);
        kuzuAlgorithm.push(peer.componentsMs);
        const parts = `${Math.round(peer.loadMs)} + ${Math.round(peer.componentsMs)} ms`;
        progress(`round ${ours.length}: Kùzu ${peer.version} ${parts}`);
      }
    } finally {
      await csv.close();
    }
    const ms = { unit: 'ms', higherIsBetter: false } as const;
    const peer = (name: string, values: readonly number[]): object =>
      isHeldAgainst ? { peer: { name, value: median(values) } } : {};
    const elapsed = median(ours);
    report({ metric: 'load_and_components', value: elapsed, ...ms, ...peer('Kùzu', kuzu) });
    const algorithm = peer('Kùzu, loaded', kuzuAlgorithm);
    report({ metric: 'load_against_algorithm_alone', value: elapsed, ...ms, ...algorithm });
    const rate = { unit: 'edges/s', higherIsBetter: true } as const;
    report({ metric: 'edges_per_second', value: perSecond(count, elapsed), ...rate });
  },
};

function assertSame(who: string, found: Uint32Array, expected: Uint32Array): void {
  const isSame = Buffer.from(found.buffer).equals(Buffer.from(expected.buffer));
  if (!isSame) throw new Error(`${who} found other components`);
}
