// What is taken as a picture: PNG, JPEG or WebP by its own bytes, never by its name or by what the browser calls it. It is put together anew from the
// parts that draw it: where and with what it was taken, texts, animations and whatever hangs behind its end are left out.

export type PictureType = 'image/png' | 'image/jpeg' | 'image/webp';

export interface PictureFile {
  readonly type: PictureType;
  readonly content: Buffer;
}

/** Bytes. */
export const MOST_PICTURE_BYTES = 512 * 1024;
/** Pixels of each side. */
const MOST_PICTURE_SIDE = 4096;

const PNG = Buffer.from('89504e470d0a1a0a', 'hex');
const PNG_PARTS = new Set(['IHDR', 'PLTE', 'IDAT', 'IEND', 'tRNS', 'gAMA', 'cHRM', 'sRGB', 'iCCP', 'sBIT', 'pHYs']);
const WEBP_PARTS = new Set(['VP8 ', 'VP8L', 'VP8X', 'ALPH', 'ICCP']);
const ICC = Buffer.from('ICC_PROFILE\0', 'latin1');

/** @returns null for what is no picture of these kinds, is broken, or is too large */
export function readPicture(bytes: Buffer): PictureFile | null {
  if (bytes.length > MOST_PICTURE_BYTES) return null;
  try {
    if (bytes.subarray(0, 8).equals(PNG)) return { type: 'image/png', content: readPng(bytes) };
    if (bytes[0] === 0xff && bytes[1] === 0xd8) return { type: 'image/jpeg', content: readJpeg(bytes) };
    if (bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP') {
      return { type: 'image/webp', content: readWebp(bytes) };
    }
    return null;
  } catch (error) {
    // Reading behind the end is how a cut or forged file shows.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function checkSides(width: number, height: number): void {
  const isGood = [width, height].every((side) => side >= 1 && side <= MOST_PICTURE_SIDE);
  if (!isGood) throw new RangeError('a side is too long');
}

function slice(bytes: Buffer, from: number, to: number): Buffer {
  if (to > bytes.length) throw new RangeError('the file ends too early');
  return bytes.subarray(from, to);
}

function readPng(bytes: Buffer): Buffer {
  const kept: Buffer[] = [PNG];
  for (let at = 8; ; ) {
    const length = bytes.readUInt32BE(at);
    const name = bytes.toString('latin1', at + 4, at + 8);
    const chunk = slice(bytes, at, at + 12 + length);
    if (at === 8) {
      if (name !== 'IHDR' || length !== 13) throw new RangeError('no header');
      checkSides(bytes.readUInt32BE(16), bytes.readUInt32BE(20));
    }
    if (PNG_PARTS.has(name)) kept.push(chunk);
    if (name === 'IEND') break;
    at += chunk.length;
  }
  return Buffer.concat(kept);
}

function readJpeg(bytes: Buffer): Buffer {
  const kept: Buffer[] = [bytes.subarray(0, 2)];
  let isSized = false;
  for (let at = 2; ; ) {
    if (bytes.readUInt8(at) !== 0xff) throw new RangeError('no marker');
    const marker = bytes.readUInt8(at + 1);
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0xd9) break;
    const length = bytes.readUInt16BE(at + 2);
    if (length < 2) throw new RangeError('no length');
    const segment = slice(bytes, at, at + 2 + length);
    // Start of frame, but for the tables and the arithmetic coder's settings between their numbers.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      checkSides(bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5));
      isSized = true;
    }
    if (isDrawn(marker, segment)) kept.push(segment);
    at += segment.length;
    if (marker !== 0xda) continue;
    const end = endOfScan(bytes, at);
    kept.push(bytes.subarray(at, end));
    at = end;
  }
  if (!isSized) throw new RangeError('no frame');
  return Buffer.concat([...kept, Buffer.from([0xff, 0xd9])]);
}

/** Comments and what applications add (Exif, XMP, thumbnails) are not; colours are. */
function isDrawn(marker: number, segment: Buffer): boolean {
  if (marker === 0xfe) return false;
  if (marker < 0xe0 || marker > 0xef) return true;
  const isColours = marker === 0xe2 && segment.subarray(4, 4 + ICC.length).equals(ICC);
  return marker === 0xe0 || marker === 0xee || isColours;
}

/** Where coded pixels end and the next marker begins. */
function endOfScan(bytes: Buffer, from: number): number {
  for (let at = from; ; at += 1) {
    if (bytes.readUInt8(at) !== 0xff) continue;
    const next = bytes.readUInt8(at + 1);
    const isPixel = next === 0 || (next >= 0xd0 && next <= 0xd7);
    if (!isPixel) return at;
  }
}

function readWebp(bytes: Buffer): Buffer {
  const end = bytes.readUInt32LE(4) + 8;
  const kept: Buffer[] = [];
  for (let at = 12; at < end; ) {
    const name = bytes.toString('latin1', at, at + 4);
    const length = bytes.readUInt32LE(at + 4);
    const chunk = Buffer.from(slice(bytes, at, Math.min(at + 8 + length + (length % 2), bytes.length)));
    if (chunk.length < 8 + length) throw new RangeError('the file ends too early');
    const data = chunk.subarray(8);
    if (name === 'VP8X') {
      // Animations are not taken; the marks for Exif and XMP go with them.
      if ((data.readUInt8(0) & 0x02) !== 0) throw new RangeError('an animation');
      data.writeUInt8(data.readUInt8(0) & 0x30, 0);
      checkSides(data.readUIntLE(4, 3) + 1, data.readUIntLE(7, 3) + 1);
    } else if (name === 'VP8 ') {
      checkSides(data.readUInt16LE(6) & 0x3fff, data.readUInt16LE(8) & 0x3fff);
    } else if (name === 'VP8L') {
      const sides = data.readUInt32LE(1);
      checkSides((sides & 0x3fff) + 1, ((sides >>> 14) & 0x3fff) + 1);
    }
    if (WEBP_PARTS.has(name)) kept.push(chunk);
    at += 8 + length + (length % 2);
  }
  const body = Buffer.concat([Buffer.from('WEBP', 'latin1'), ...kept]);
  if (!['VP8 ', 'VP8L'].some((name) => body.includes(name, 4, 'latin1'))) throw new RangeError('no pixels');
  const head = Buffer.alloc(8, 'RIFF', 'latin1');
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body]);
}
