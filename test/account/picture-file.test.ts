import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MOST_PICTURE_BYTES, readPicture } from '../../src/account/picture-file.ts';

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

function chunk(name: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, Buffer.from(name, 'latin1'), data, Buffer.alloc(4)]);
}

function png(width = 10, ...more: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(10, 4);
  const end = chunk('IEND', Buffer.alloc(0));
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), ...more, chunk('IDAT', Buffer.from('pixels')), end]);
}

function segment(marker: number, data: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(data.length + 2, 2);
  return Buffer.concat([head, data]);
}

/** Two scans, as progressive pictures have them. */
function jpeg(width = 10): Buffer {
  const frame = Buffer.from([8, 0, 10, width >> 8, width & 0xff, 1, 1, 0x11, 0]);
  const scan = Buffer.concat([
    segment(0xda, Buffer.from([1, 1, 0, 0, 63, 0])),
    Buffer.from([1, 0xff, 0, 2, 0xff, 0xd0, 3]),
  ]);
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xe0, Buffer.from('JFIF\0')),
    segment(0xe1, Buffer.from('Exif\0\0secret place')),
    segment(0xfe, Buffer.from('secret comment')),
    segment(0xe2, Buffer.from('ICC_PROFILE\0colours')),
    segment(0xc0, frame),
    scan,
    segment(0xe1, Buffer.from('secret again')),
    scan,
    Buffer.from([0xff, 0xd9]),
  ]);
}

function riff(name: string, data: Buffer): Buffer {
  const head = Buffer.alloc(8, name, 'latin1');
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
}

function webp(flags = 0x0c): Buffer {
  const extended = Buffer.from([flags, 0, 0, 0, 9, 0, 0, 9, 0, 0]);
  const pixels = Buffer.from([0x2f, 9, 0x40, 2, 0, 1, 2]);
  const body = Buffer.concat([
    Buffer.from('WEBP'),
    riff('VP8X', extended),
    riff('VP8L', pixels),
    riff('EXIF', Buffer.from('secret place')),
    riff('XMP ', Buffer.from('secret words')),
  ]);
  return riff('RIFF', body);
}

describe('a picture', () => {
  for (const [type, file] of [
    ['image/png', png(10, chunk('tEXt', Buffer.from('secret')), chunk('eXIf', Buffer.from('secret')))],
    ['image/jpeg', jpeg()],
    ['image/webp', webp()],
  ] as const) {
    it(`keeps what draws it and nothing else: ${type}`, () => {
      const found = readPicture(Buffer.concat([file, Buffer.from('<script>secret</script>')]));
      assert.equal(found?.type, type);
      assert.doesNotMatch(found?.content.toString('latin1') ?? 'secret', /secret|script/);
      assert.deepEqual(
        readPicture(found?.content ?? Buffer.alloc(0)),
        found,
        'what was put together is a picture as well',
      );
    });

    it(`is refused when it is cut: ${type}`, () => {
      const { content } = readPicture(file) ?? { content: Buffer.alloc(0) };
      for (let length = 0; length < content.length - 2; length += 1) {
        assert.equal(readPicture(content.subarray(0, length)), null, String(length));
      }
    });
  }

  it('has its colours still', () => {
    assert.match(readPicture(jpeg())?.content.toString('latin1') ?? '', /ICC_PROFILE\0colours/);
  });

  it('is nothing else, not too large, and stands still', () => {
    for (const [what, file] of [
      ['nothing', Buffer.alloc(0)],
      ['SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>')],
      ['a page', Buffer.from('<!doctype html><script>alert(1)</script>')],
      ['GIF', Buffer.from('GIF89a')],
      ['a wide PNG', png(4097)],
      ['an empty PNG', png(0)],
      ['a wide JPEG', jpeg(5000)],
      ['an animation', webp(0x02)],
      ['a large file', Buffer.concat([png(), Buffer.alloc(MOST_PICTURE_BYTES)])],
    ] as const) {
      assert.equal(readPicture(file), null, what);
    }
  });
});
