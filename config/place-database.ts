// The file that LATCHKEY_PLACE_DATABASE names: where in the world networks are, in the MaxMind DB format (version 2.0). Opened once to refuse a
// start with one that cannot be used, and once for use; what stands in it is the operator's business and is treated as text.
import { readFileSync, statSync } from 'node:fs';
import { type CityResponse, Reader } from 'maxmind';

/** Larger than any of cities; all of it is held in memory. */
const MOST_BYTES = 1024 ** 3;
/** Between the tree and the data. */
const SEPARATOR_BYTES = 16;
/** What such databases call themselves: GeoLite2-City, DBIP-Country-Lite, GeoIP2-Enterprise. */
const TYPE = /city|country|enterprise|location/i;

export type PlaceReader = Reader<CityResponse>;

/** The reader, or what is wrong with the file, as a sentence that follows the setting's name. */
export function openPlaceDatabase(path: string): { readonly reader: PlaceReader } | { readonly wrong: string } {
  let bytes: Buffer;
  try {
    const stats = statSync(path);
    // A pipe or a device could keep us waiting for ever.
    if (!stats.isFile()) return { wrong: 'names something that is not a file' };
    if (stats.size > MOST_BYTES) return { wrong: `names a file of more than ${MOST_BYTES} bytes` };
    bytes = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { wrong: 'names a file that does not exist' };
    return { wrong: `names a file that cannot be read (${code ?? 'unknown error'})` };
  }
  try {
    const reader = new Reader<CityResponse>(bytes);
    const { searchTreeSize, databaseType } = reader.metadata;
    if (searchTreeSize + SEPARATOR_BYTES > bytes.length) return { wrong: BROKEN };
    if (!TYPE.test(databaseType)) return { wrong: 'names a database that is neither of cities nor of countries' };
    return { reader };
  } catch {
    return { wrong: BROKEN };
  }
}

const BROKEN = 'names a file that is not a complete database in the MaxMind DB format (.mmdb, unpacked)';
