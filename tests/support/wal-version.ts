/** Makes a file of the log look as if an appliance of another version had written it. */
import { crc32c } from '../../storage/crc32c.ts';
import { WAL_BLOCK_BYTES } from '../../storage/wal-format.ts';

const CRC_OFFSET = 8;
const VERSION_OFFSET = 12;

/** @param file begins with the header block of a file of the log. */
export function setWalVersion(file: Uint8Array, version: number): void {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  view.setUint32(VERSION_OFFSET, version, true);
  const crc = crc32c(file, VERSION_OFFSET, WAL_BLOCK_BYTES - VERSION_OFFSET, 0);
  view.setUint32(CRC_OFFSET, crc, true);
}
