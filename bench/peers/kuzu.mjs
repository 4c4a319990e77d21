/**
 * Kùzu in a process of its own: loads the nodes and edges of two CSV files and finds the weakly connected
 * components. Arguments: directory, nodes.csv, edges.csv, and where to write the components, as u32 words:
 * node n has the number of its component at n.
 *
 * It gets its best way: integer primary keys, COPY with two threads, and its own algorithm from the
 * extension `algo`, which version 0.11.3 has built in. Prints the milliseconds of each step as JSON.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import kuzu from 'kuzu';

const THREADS = 2;
const [directory, nodesPath, edgesPath, componentsPath] = process.argv.slice(2);

const database = new kuzu.Database(join(directory, 'kuzu'));
const connection = new kuzu.Connection(database, THREADS);
const ran = async (statement) => {
  const startMs = performance.now();
  const result = await connection.query(statement);
  return { result, elapsedMs: performance.now() - startMs };
};

await ran('LOAD algo');
await ran('CREATE NODE TABLE Identifier(id INT64 PRIMARY KEY)');
await ran('CREATE REL TABLE Edge(FROM Identifier TO Identifier)');
const nodes = await ran(`COPY Identifier FROM '${nodesPath}'`);
const edges = await ran(`COPY Edge FROM '${edgesPath}'`);
const project = await ran(`CALL project_graph('people', ['Identifier'], ['Edge'])`);
const components = await ran(
  `CALL weakly_connected_components('people') RETURN node.id AS id, group_id AS component`,
);
const rows = await components.result.getAll();
const words = new Uint32Array(rows.length + 1);
for (const { id, component } of rows) words[Number(id)] = Number(component);
writeFileSync(componentsPath, words);
process.stdout.write(
  JSON.stringify({
    version: kuzu.VERSION,
    loadMs: nodes.elapsedMs + edges.elapsedMs,
    componentsMs: project.elapsedMs + components.elapsedMs,
  }),
);
await connection.close();
await database.close();
process.exit(0);
