/** A process that maps a table of a hot directory and keeps it until it is killed: DIRECTORY TABLE. */
import { native } from '../../native/index.ts';

const [directory = '', table = ''] = process.argv.slice(2);
const failure = native.openHotDirectory(directory);
if (failure !== '') throw new Error(failure);
native.holdTable(table);
process.stdout.write('held\n');
setInterval(() => {}, 60_000);
