// A small writer of the MaxMind DB format (version 2.0): a binary search tree with records of 24 bits, the data, and the description at the end.
// So no file of anybody's lies in the repository, and a test says itself which network is where.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ipaddr from 'ipaddr.js';

type Value = string | number | Uint8Array | readonly Value[] | { readonly [name: string]: Value };

interface PlaceFileOptions {
  /** 4: a tree that knows IPv4 addresses only. */
  readonly ipVersion?: 4 | 6;
  readonly type?: string;
}

interface Node {
  readonly sides: [Node | number | null, Node | number | null];
}

const SEPARATOR = 16;
const MARKER = Buffer.from('\xAB\xCD\xEFMaxMind.com', 'latin1');

/** What such a file says of a city. */
export function cityRecord(country: string, names: Readonly<Record<string, string>>): Value {
  return { city: { names }, country: { iso_code: country, names: { en: 'not looked at' } } };
}

/** @param networks what is told of each, by `address/length`; bytes are taken as they are */
export function placeDatabase(networks: Readonly<Record<string, Value>>, options: PlaceFileOptions = {}): Buffer {
  const { ipVersion = 6, type = 'Test-City' } = options;
  const root: Node = { sides: [null, null] };
  const data: Buffer[] = [];
  let dataSize = 0;
  for (const [network, record] of Object.entries(networks)) {
    const encoded = record instanceof Uint8Array ? Buffer.from(record) : encode(record);
    insert(root, bitsOf(network, ipVersion), dataSize);
    data.push(encoded);
    dataSize += encoded.length;
  }
  const nodes: Node[] = [];
  collect(root, nodes);
  const tree = Buffer.alloc(nodes.length * 6);
  for (const [index, node] of nodes.entries()) {
    for (const [side, to] of node.sides.entries()) {
      const value =
        to === null ? nodes.length : typeof to === 'number' ? nodes.length + SEPARATOR + to : nodes.indexOf(to);
      tree.writeUIntBE(value, index * 6 + side * 3, 3);
    }
  }
  const description = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_795_000_000,
    database_type: type,
    description: { en: 'made by a test' },
    ip_version: ipVersion,
    languages: ['en'],
    node_count: nodes.length,
    record_size: 24,
  });
  return Buffer.concat([tree, Buffer.alloc(SEPARATOR), ...data, MARKER, description]);
}

/** In a folder of its own, which whoever asked for it takes away. */
export function writePlaceFile(bytes: Uint8Array): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-place-'));
  const path = join(folder, 'city.mmdb');
  writeFileSync(path, bytes);
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A city in several languages, an IPv6 network, and a country alone. */
export const SOME_PLACES: Readonly<Record<string, Value>> = {
  '81.2.69.0/24': cityRecord('DE', { en: 'Hamburg', ru: 'Гамбург', de: 'Hamburg (de)' }),
  '2a02:6b8::/32': cityRecord('KZ', { en: 'Almaty', ru: 'Алматы' }),
  '89.160.20.0/25': { country: { iso_code: 'SE' } },
};

function bitsOf(network: string, ipVersion: 4 | 6): readonly number[] {
  const [address, length] = ipaddr.parseCIDR(network);
  const isWidened = ipVersion === 6 && address.kind() === 'ipv4';
  const bytes = [...(isWidened ? Array.from({ length: 12 }, () => 0) : []), ...address.toByteArray()];
  return bytes
    .flatMap((byte) => [...byte.toString(2).padStart(8, '0')].map(Number))
    .slice(0, length + (isWidened ? 96 : 0));
}

function insert(root: Node, bits: readonly number[], offset: number): void {
  let node = root;
  for (const bit of bits.slice(0, -1)) {
    const side = bit === 1 ? 1 : 0;
    const next = node.sides[side];
    if (typeof next === 'number') throw new Error('a network inside of another is not written');
    const inner: Node = next ?? { sides: [null, null] };
    node.sides[side] = inner;
    node = inner;
  }
  node.sides[bits.at(-1) === 1 ? 1 : 0] = offset;
}

function collect(node: Node, nodes: Node[]): void {
  nodes.push(node);
  for (const side of node.sides) if (side !== null && typeof side !== 'number') collect(side, nodes);
}

const STRING = 2;
const UINT32 = 6;
const MAP = 7;
const ARRAY = 11;

function encode(value: Value): Buffer {
  if (typeof value === 'string') {
    const bytes = Buffer.from(value);
    return Buffer.concat([control(STRING, bytes.length), bytes]);
  }
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return Buffer.concat([control(UINT32, bytes.length), bytes]);
  }
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (isList(value)) return Buffer.concat([control(ARRAY, value.length), ...value.map(encode)]);
  const entries = Object.entries(value);
  return Buffer.concat([
    control(MAP, entries.length),
    ...entries.flatMap(([name, member]) => [encode(name), encode(member)]),
  ]);
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** Type and size; types after 7 have a byte of their own, sizes after 28 one to three. */
function control(type: number, size: number): Buffer {
  const extended = type > 7 ? [type - 7] : [];
  const first = (type > 7 ? 0 : type) << 5;
  if (size < 29) return Buffer.from([first | size, ...extended]);
  if (size < 285) return Buffer.from([first | 29, ...extended, size - 29]);
  return Buffer.from([first | 30, ...extended, (size - 285) >> 8, (size - 285) & 0xff]);
}
