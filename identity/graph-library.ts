/**
 * The only module that imports graphology: paths through a graph, and its files for other programs (GEXF
 * for Gephi, GraphML for yEd and igraph, graphology's own JSON). The library reads GraphML but does not
 * write it, so that is done here.
 */
import { MultiUndirectedGraph, UndirectedGraph } from 'graphology';
import gexf from 'graphology-gexf';
import { bidirectional } from 'graphology-shortest-path';

export const GRAPH_FORMATS = ['json', 'gexf', 'graphml'] as const;
export type GraphFormat = (typeof GRAPH_FORMATS)[number];

type Attributes = Readonly<Record<string, string | number | boolean | null>>;

/** A graph for a file: nodes and edges with whatever is known of them. */
export interface DrawnGraph {
  readonly nodes: readonly ({ readonly anchor: number } & Attributes)[];
  readonly edges: readonly ({
    readonly edge: number;
    readonly a: number;
    readonly b: number;
  } & Attributes)[];
}

/** The nodes from `from` to `to` along the fewest edges, both included; empty when there is no way. */
export function shortestPath(
  edges: readonly (readonly [number, number])[],
  from: number,
  to: number,
): number[] {
  const graph = new UndirectedGraph();
  graph.mergeNode(from);
  graph.mergeNode(to);
  for (const [a, b] of edges) graph.mergeEdge(a, b);
  return (bidirectional(graph, from, to) ?? []).map(Number);
}

export function drawGraph(drawn: DrawnGraph, format: GraphFormat): string {
  const graph = new MultiUndirectedGraph();
  for (const { anchor, ...attributes } of drawn.nodes) {
    graph.addNode(anchor, { ...attributes, label: `${attributes['type']}:${attributes['value']}` });
  }
  for (const { a, b, edge, ...attributes } of drawn.edges) {
    graph.addUndirectedEdgeWithKey(edge, a, b, { ...attributes, label: attributes['state'] ?? '' });
  }
  if (format === 'gexf') return writable(gexf.write(graph));
  return format === 'json' ? `${JSON.stringify(graph.export())}\n` : writeGraphml(graph);
}

/** http://graphml.graphdrawing.org/specification.html; every attribute is a text. */
function writeGraphml(graph: MultiUndirectedGraph): string {
  const keys = new Set<string>();
  const dataOf = (kind: string, attributes: object): string =>
    Object.entries(attributes)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => {
        keys.add(
          `<key id="${kind}_${name}" for="${kind}" attr.name="${name}" attr.type="string"/>`,
        );
        return `<data key="${kind}_${name}">${escapeXml(String(value))}</data>`;
      })
      .join('');
  const nodes = graph.mapNodes(
    (node, attributes) => `<node id="${node}">${dataOf('node', attributes)}</node>`,
  );
  const edges = graph.mapEdges(
    (edge, attributes, a, b) =>
      `<edge id="e${edge}" source="${a}" target="${b}">${dataOf('edge', attributes)}</edge>`,
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ...keys,
    '<graph edgedefault="undirected">',
    ...nodes,
    ...edges,
    '</graph>',
    '</graphml>',
    '',
  ].join('\n');
}

const XML_ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

function escapeXml(text: string): string {
  return writable(text).replace(/[&<>"]/g, (sign) => XML_ESCAPES[sign]!);
}

/** Control characters that XML 1.0 has no way to write become U+FFFD. */
function writable(text: string): string {
  return text.replace(/[^\t\n\r -\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd');
}
