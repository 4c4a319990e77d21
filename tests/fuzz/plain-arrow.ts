/** Streams of Arrow as the appliance reads them itself, for the fuzzer. */
import { MIB } from '../../base/units.ts';
import { batchesOfPlainArrow } from '../../engine/arrow-rows.ts';

/** Bytes of text, behind which no more is read: a batch of nothing but nulls may claim any number of rows. */
const TEXT_BYTES_MAX = 256 * 1024;

/** The text of the rows, as those of a batch stand; undefined when some are left to the process that reads files. */
export async function plainTextOf(stream: Uint8Array): Promise<string | undefined> {
  const batches = batchesOfPlainArrow({ importId: 'x', firstRow: 0 }, inOnePiece(stream), MIB);
  const texts: string[] = [];
  let bytes = 0;
  for (;;) {
    const next = await batches.next();
    if (next.done === true) {
      if (next.value === undefined) return texts.join(',');
      for await (const _ of next.value.pieces);
      return undefined;
    }
    const text = Buffer.from(next.value.bytes).toString('utf8');
    texts.push(text.slice(text.indexOf('[') + 1, text.lastIndexOf(']')));
    bytes += text.length;
    if (bytes <= TEXT_BYTES_MAX) continue;
    await batches.return(undefined);
    return undefined;
  }
}

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
