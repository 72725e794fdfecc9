import assert from 'node:assert/strict';
import { it } from 'node:test';
import { deflateSync } from 'node:zlib';
import { MOST_LOGO_BYTES, readLogo } from '../../src/brand/logo.ts';

function chunk(kind: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, Buffer.from(kind, 'latin1'), data, Buffer.alloc(4)]);
}

function png(width = 2, height = 2): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 0, 0, 0, 0], 8);
  const pixels = deflateSync(Buffer.alloc(6));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

function jpeg(width = 2, height = 2): Buffer {
  const frame = Buffer.from([0xff, 0xc0, 0, 11, 8, height >> 8, height & 255, width >> 8, width & 255, 1, 1, 0x11, 0]);
  return Buffer.concat([
    Buffer.from('ffd8ffe000040000', 'hex'),
    frame,
    Buffer.from('ffda0002', 'hex'),
    Buffer.from('ffd9', 'hex'),
  ]);
}

function webp(): Buffer {
  const body = Buffer.alloc(22);
  body.write('WEBPVP8X', 0, 'latin1');
  body.writeUInt32LE(10, 8);
  body.writeUIntLE(99, 16, 3);
  body.writeUIntLE(49, 19, 3);
  const head = Buffer.alloc(8);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body]);
}

it('PNG, JPEG and WebP are known by what is in them', () => {
  assert.deepEqual(readLogo(png()), { type: 'image/png', extension: 'png' });
  assert.deepEqual(readLogo(jpeg()), { type: 'image/jpeg', extension: 'jpg' });
  assert.deepEqual(readLogo(webp()), { type: 'image/webp', extension: 'webp' });
});

it('nothing else is a logo, nor an image with something behind it, cut off or beyond all measure', () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
  for (const other of [svg, '', '<!doctype html>', 'GIF89a', 'RIFF'])
    assert.equal(readLogo(Buffer.from(other)), 'kind');
  assert.equal(readLogo(Buffer.concat([png(), Buffer.from('<script>')])), 'broken');
  assert.equal(readLogo(Buffer.concat([jpeg(), Buffer.from('<script>')])), 'broken');
  assert.equal(readLogo(Buffer.concat([webp(), Buffer.from('<script>')])), 'broken');
  assert.equal(readLogo(png().subarray(0, 40)), 'broken');
  assert.equal(readLogo(png(0)), 'broken');
  assert.equal(readLogo(png(2001)), 'side');
  assert.equal(readLogo(jpeg(2, 60_000)), 'side');
  assert.equal(readLogo(Buffer.concat([png(), Buffer.alloc(MOST_LOGO_BYTES)])), 'large');
  for (let length = 0; length < 40; length += 1) {
    for (const whole of [png(), jpeg(), webp()])
      assert.equal(typeof readLogo(whole.subarray(0, Math.min(length, whole.length - 1))), 'string');
  }
});
