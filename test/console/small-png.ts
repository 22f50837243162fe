import { crc32, deflateSync, inflateSync } from "node:zlib";

// A browser's screenshot has three bytes a pixel. A page has few colours: with a palette it takes a
// third, and nobody sees a difference.

const COLOURS_MAX = 256;
const FREQUENT = 96;
/** The square of a distance in red, green and blue that is seen. */
const UNLIKE = 600;
const SIGNATURE = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
/** After the signature: the length and the name of IHDR. */
const HEADER_AT = 16;

/**
 * Writes a picture with a palette of its most frequent and most different colours; others become the
 * nearest of them.
 *
 * @param png of 8 bits a channel, not interlaced, as browsers write it
 */
export function smallPng(png: Buffer): Buffer {
  const [width, height] = [png.readUInt32BE(HEADER_AT), png.readUInt32BE(HEADER_AT + 4)];
  const channels = png[HEADER_AT + 9] === 6 ? 4 : 3;
  const pixels = unfiltered(inflateSync(dataOf(png)), { width, height, channels });
  const { palette, indexOf } = paletteOf(pixels, channels);
  // A line begins with its filter: 0, none.
  const lines = Buffer.alloc((width + 1) * height);
  for (let at = 0; at < width * height; at += 1) {
    lines[at + Math.floor(at / width) + 1] = indexOf(colourAt(pixels, at * channels));
  }
  const header = Buffer.from(png.subarray(HEADER_AT, HEADER_AT + 13));
  header[9] = 3;
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(palette.flatMap((rgb) => [rgb >> 16, (rgb >> 8) & 255, rgb & 255]))),
    chunk("IDAT", deflateSync(lines, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** What all IDAT chunks have together. */
function dataOf(png: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = SIGNATURE.length; at < png.length;) {
    const length = png.readUInt32BE(at);
    const name = png.toString("latin1", at + 4, at + 8);
    if (name === "IDAT") parts.push(png.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  return Buffer.concat(parts);
}

function chunk(name: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

/** Takes the filter off each line: what was written is the difference to its neighbours. */
function unfiltered(
  data: Buffer,
  { width, height, channels }: { width: number; height: number; channels: number },
): Buffer {
  const size = width * channels;
  const pixels = Buffer.alloc(size * height);
  for (let line = 0; line < height; line += 1) {
    const filter = data[line * (size + 1)]!;
    for (let at = 0; at < size; at += 1) {
      const here = line * size + at;
      const left = at < channels ? 0 : pixels[here - channels]!;
      const above = line === 0 ? 0 : pixels[here - size]!;
      const aboveLeft = at < channels || line === 0 ? 0 : pixels[here - size - channels]!;
      const guess = guessBy(filter, left, above, aboveLeft);
      pixels[here] = data[line * (size + 1) + 1 + at]! + guess;
    }
  }
  return pixels;
}

function guessBy(filter: number, left: number, above: number, aboveLeft: number): number {
  if (filter === 1) return left;
  if (filter === 2) return above;
  if (filter === 3) return (left + above) >> 1;
  if (filter === 0) return 0;
  const sum = left + above - aboveLeft;
  const [byLeft, byAbove, byBoth] = [sum - left, sum - above, sum - aboveLeft].map(Math.abs);
  if (byLeft! <= byAbove! && byLeft! <= byBoth!) return left;
  return byAbove! <= byBoth! ? above : aboveLeft;
}

function colourAt(pixels: Buffer, at: number): number {
  return (pixels[at]! << 16) | (pixels[at + 1]! << 8) | pixels[at + 2]!;
}

function paletteOf(pixels: Buffer, channels: number) {
  const counts = new Map<number, number>();
  for (let at = 0; at < pixels.length; at += channels) {
    const colour = colourAt(pixels, at);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const byCount = [...counts].toSorted(([, one], [, other]) => other - one);
  const colours = byCount.map(([colour]) => colour);
  const palette = colours.slice(0, FREQUENT);
  const nearest = (colour: number): number => {
    let best = 0;
    for (const [index, one] of palette.entries()) {
      if (distance(one, colour) < distance(palette[best]!, colour)) best = index;
    }
    return best;
  };
  // What is rare and like no other, such as a red asterisk, has its own.
  for (const colour of colours.slice(FREQUENT)) {
    if (palette.length === COLOURS_MAX) break;
    if (distance(palette[nearest(colour)]!, colour) > UNLIKE) palette.push(colour);
  }
  const indices = new Map(palette.map((colour, index) => [colour, index]));
  const indexOf = (colour: number): number => {
    const index = indices.get(colour) ?? nearest(colour);
    indices.set(colour, index);
    return index;
  };
  return { palette, indexOf };
}

function distance(one: number, other: number): number {
  const channel = (shift: number) => ((one >> shift) & 255) - ((other >> shift) & 255);
  return channel(16) ** 2 + channel(8) ** 2 + channel(0) ** 2;
}
