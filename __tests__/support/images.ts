import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { pngFile } from './png.js';

export type Colour = readonly [red: number, green: number, blue: number];

export const RED: Colour = [255, 0, 0];
export const GREEN: Colour = [0, 128, 0];
export const BLUE: Colour = [0, 0, 255];
export const WHITE: Colour = [255, 255, 255];

/** A picture whose left half has one colour and whose right half another. */
export function halves(width: number, height: number, left: Colour = RED, right: Colour = BLUE): Sharp {
  return drawn(width, height, (x) => (x < width / 2 ? left : right));
}

/** A picture with as much detail as a photo has. */
export function photo(width: number, height: number): Sharp {
  const wave = (phase: number) => Math.round(127 + 100 * Math.sin(phase) + 28 * Math.sin(phase * 37));
  const pattern = drawn(160, 120, (x, y) => [wave(x / 18), wave(y / 14), wave((x + y) / 22)]);
  return pattern.resize(width, height, { fit: 'fill' });
}

function drawn(width: number, height: number, colourAt: (x: number, y: number) => Colour): Sharp {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) pixels.set(colourAt(x, y), (y * width + x) * 3);
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** An animation; each frame has one colour. */
export function animation(width: number, height: number, frames: readonly Colour[]): Sharp {
  const pixels = frames.map((colour) => Buffer.alloc(width * height * 3, Buffer.from(colour)));
  const raw = { width, height: height * frames.length, channels: 3, pageHeight: height } as const;
  return sharp(Buffer.concat(pixels), { raw });
}

/** The colour of a picture at a place, without its alpha. */
export async function colourAt(image: Uint8Array, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(image).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const start = (y * info.width + x) * info.channels;
  return [...data.subarray(start, start + 3)];
}

/** How far the colours of a picture are from a given one, at most, at a place. */
export async function distanceAt(image: Uint8Array, x: number, y: number, colour: Colour): Promise<number> {
  const found = await colourAt(image, x, y);
  return Math.max(...colour.map((value, channel) => Math.abs(value - (found[channel] ?? 0))));
}

/** A black PNG with one bit for a pixel: 16,383 x 16,383 of them are 33 KB. */
export function blankPng(width: number, height: number): Buffer {
  const rows = Buffer.alloc((1 + Math.ceil(width / 8)) * height);
  return pngFile({ width, height, bitDepth: 1, colourType: 0 }, deflateSync(rows));
}

/** A GIF of one pixel with that many frames (https://www.w3.org/Graphics/GIF/spec-gif89a.txt). */
export function gifOfFrames(count: number): Buffer {
  const header = Buffer.from('GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff', 'latin1');
  const frame = Buffer.from(',\0\0\0\0\x01\x00\x01\x00\x00\x02\x02D\x01\x00', 'latin1');
  return Buffer.concat([header, ...Array.from({ length: count }, () => frame), Buffer.from(';')]);
}

/** As phones write photos: HEIF whose pixels are HEVC. Its header can be read (ISO/IEC 23008-12), its pixels are none. */
export function heic(): Buffer {
  const withoutPixels = heicHeader(0);
  return Buffer.concat([heicHeader(withoutPixels.byteLength + 8), box('mdat', Buffer.alloc(16))]);
}

function heicHeader(pixelsAt: number): Buffer {
  const location = [Buffer.of(0x44, 0), short(1), short(1), short(0), short(1), long(pixelsAt), long(16)];
  const hevcConfiguration = Buffer.from('0101600000009000000000005af000fcfdf8f800000f00', 'hex');
  const properties = box('ipco', box('hvcC', hevcConfiguration), versioned('ispe', 0, long(64), long(64)));
  return Buffer.concat([
    box('ftyp', text('heic'), long(0), text('mif1heic')),
    versioned(
      'meta',
      0,
      versioned('hdlr', 0, long(0), text('pict'), Buffer.alloc(13)),
      versioned('pitm', 0, short(1)),
      versioned('iloc', 0, ...location),
      versioned('iinf', 0, short(1), versioned('infe', 2, short(1), short(0), text('hvc1\0'))),
      box('iprp', properties, versioned('ipma', 0, long(1), short(1), Buffer.of(2, 0x81, 2))),
    ),
  ]);
}

function box(type: string, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([long(8 + content.byteLength), text(type), content]);
}

function versioned(type: string, version: number, ...parts: readonly Buffer[]): Buffer {
  return box(type, Buffer.of(version, 0, 0, 0), ...parts);
}

function short(value: number): Buffer {
  return Buffer.of(value >> 8, value);
}

function long(value: number): Buffer {
  return Buffer.concat([short(value >>> 16), short(value)]);
}

function text(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}

/** What claims to be an image, or is one that no server should decode. */
export async function hostileFiles(): Promise<Record<string, { content: Buffer; code: string }>> {
  const jpeg = await photo(800, 600).jpeg().toBuffer();
  const noImage = (content: string) => ({ content: text(content), code: 'IMAGE_NOT_ACCEPTED' });
  return {
    'a decompression bomb': { content: blankPng(16_383, 16_383), code: 'IMAGE_TOO_LARGE' },
    'a truncated JPEG': { content: jpeg.subarray(0, jpeg.length * 0.6), code: 'IMAGE_INVALID' },
    'a PNG of 1 x 60,000 pixels': { content: blankPng(1, 60_000), code: 'IMAGE_TOO_LARGE' },
    'a GIF of 10,000 frames': { content: gifOfFrames(10_000), code: 'IMAGE_TOO_LARGE' },
    'an SVG': noImage('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'),
    'an SVG of XML': noImage(
      '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><svg>&b;</svg>',
    ),
    'a PDF': noImage('%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n'),
    'a text': noImage('just a text that says it is a picture'),
    'an empty file': noImage(''),
    'a JPEG of which only the beginning is one': {
      content: Buffer.concat([jpeg.subarray(0, 4), Buffer.alloc(5000, '<svg>')]),
      code: 'IMAGE_INVALID',
    },
    'a GIF that is also an SVG': {
      content: Buffer.from(`GIF89a${' '.repeat(20)}<svg xmlns="http://www.w3.org/2000/svg"/>`),
      code: 'IMAGE_INVALID',
    },
  };
}
