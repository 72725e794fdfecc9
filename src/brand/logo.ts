// Which files may be a logo. It is shown on the sign-in page, so it is an image from its first byte to its last, of a size that cannot hurt, and
// of a kind that can only be looked at: SVG can carry scripts and is refused. It is served as the kind that it is found to be, whatever it was called.

export const MOST_LOGO_BYTES = 100_000;
const MOST_SIDE = 2000;

export interface Logo {
  readonly type: 'image/png' | 'image/jpeg' | 'image/webp';
  readonly extension: 'png' | 'jpg' | 'webp';
}

export type LogoProblem = 'kind' | 'large' | 'side' | 'broken';

interface Size {
  readonly width: number;
  readonly height: number;
}

export function readLogo(bytes: Buffer): Logo | LogoProblem {
  if (bytes.length > MOST_LOGO_BYTES) return 'large';
  for (const [logo, isKind, sizeOf] of KINDS) {
    if (!isKind(bytes)) continue;
    const size = sizeOf(bytes);
    if (size === null || size.width < 1 || size.height < 1) return 'broken';
    return size.width > MOST_SIDE || size.height > MOST_SIDE ? 'side' : logo;
  }
  return 'kind';
}

const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

const KINDS: readonly (readonly [Logo, (bytes: Buffer) => boolean, (bytes: Buffer) => Size | null])[] = [
  [{ type: 'image/png', extension: 'png' }, (bytes) => bytes.subarray(0, 8).equals(PNG), pngSize],
  [{ type: 'image/jpeg', extension: 'jpg' }, (bytes) => bytes.subarray(0, 3).toString('hex') === 'ffd8ff', jpegSize],
  [
    { type: 'image/webp', extension: 'webp' },
    (bytes) => bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP',
    webpSize,
  ],
];

/** Chunk by chunk up to IEND, behind which nothing may stand. */
function pngSize(bytes: Buffer): Size | null {
  let size: Size | null = null;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const kind = bytes.toString('latin1', at + 4, at + 8);
    const end = at + 12 + length;
    if (end > bytes.length || !/^[A-Za-z]{4}$/.test(kind)) return null;
    if (size === null) {
      if (kind !== 'IHDR' || length !== 13) return null;
      size = { width: bytes.readUInt32BE(at + 8), height: bytes.readUInt32BE(at + 12) };
    }
    if (kind === 'IEND') return end === bytes.length ? size : null;
    at = end;
  }
  return null;
}

/** Segment by segment up to the frame's head; the file ends with the end of the image. */
function jpegSize(bytes: Buffer): Size | null {
  if (bytes.readUInt16BE(bytes.length - 2) !== 0xffd9) return null;
  for (let at = 2; at + 9 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    // Image data before any frame: no image.
    if (marker === 0xda || marker < 0xc0) return null;
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return null;
}

function webpSize(bytes: Buffer): Size | null {
  // The length in the head covers the whole file, up to a byte that makes it even.
  if (bytes.length < 30 || bytes.readUInt32LE(4) + 8 !== bytes.length) return null;
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return null;
  }
}
