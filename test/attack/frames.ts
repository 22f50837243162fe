// HTTP/2 frames as raw bytes (RFC 9113), so that a test can send frames that no client would.

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const TYPE = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PRIORITY = 32;

export type Field = readonly [name: string, value: string];

export type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
};

/** A frame; `length` is the length in its header, which may be wrong. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
  length: number = payload.length,
): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  pairs.forEach(([id, value], index) => {
    payload.writeUInt16BE(id, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  });
  return frame(TYPE.SETTINGS, 0, 0, payload);
}

/** A payload of one number, as in WINDOW_UPDATE and RST_STREAM. */
export function uint32(value: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value);
  return payload;
}

/** A header block of literals without indexing (RFC 7541, 6.2.2). */
export function headerBlock(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]),
  );
}

/** The complete frames at the start of `bytes`, and the rest. */
export function readFrames(bytes: Buffer): { frames: Frame[]; rest: Buffer } {
  const frames: Frame[] = [];
  let rest = bytes;
  while (rest.length >= HEAD_BYTES && rest.length >= HEAD_BYTES + rest.readUIntBE(0, 3)) {
    const end = HEAD_BYTES + rest.readUIntBE(0, 3);
    const payload = rest.subarray(HEAD_BYTES, end);
    const stream = rest.readUInt32BE(5) & 0x7fff_ffff;
    frames.push({ type: rest[3]!, flags: rest[4]!, stream, payload });
    rest = rest.subarray(end);
  }
  return { frames, rest };
}

/** Decodes a header block of a peer without a dynamic table; rare static names are not decoded. */
export function readHeaderBlock(block: Buffer): Field[] {
  const fields: Field[] = [];
  const at = { index: 0 };
  while (at.index < block.length) {
    const first = block[at.index]!;
    if (first >= 0x80) {
      fields.push(STATIC[readInteger(block, at, 7)] ?? ["?", "?"]);
    } else if (first >= 0x20 && first < 0x40) {
      readInteger(block, at, 5); // The size of the table.
    } else {
      const index = readInteger(block, at, first >= 0x40 ? 6 : 4);
      const name = index === 0 ? readText(block, at) : (STATIC[index]?.[0] ?? "?");
      fields.push([name, readText(block, at)]);
    }
  }
  return fields;
}

const HEAD_BYTES = 9;

/** The part of the static table that a server sends (RFC 7541, appendix A). */
const STATIC: Readonly<Record<number, Field>> = {
  8: [":status", "200"],
  9: [":status", "204"],
  10: [":status", "206"],
  11: [":status", "304"],
  12: [":status", "400"],
  13: [":status", "404"],
  14: [":status", "500"],
};

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push(128 + (rest % 128));
  return Buffer.concat([Buffer.of(...length, rest), bytes]);
}

function readInteger(block: Buffer, at: { index: number }, bits: number): number {
  const most = 2 ** bits - 1;
  const prefix = block[at.index++]! & most;
  if (prefix < most) return prefix;
  let value = most;
  for (let factor = 1; ; factor *= 128) {
    const byte = block[at.index++]!;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
}

function readText(block: Buffer, at: { index: number }): string {
  const isPacked = block[at.index]! >= 0x80;
  const length = readInteger(block, at, 7);
  const bytes = block.subarray(at.index, (at.index += length));
  return isPacked ? unpack(bytes) : bytes.toString("latin1");
}

/** The symbols of HPACK's Huffman code by length; the code is canonical, so this defines it. */
const SYMBOLS: Readonly<Record<number, string>> = {
  5: "012aceiost",
  6: " %-./3456789=A_bdfghlmnpru",
  7: ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
  8: "&*,;XZ",
  10: '!"()?',
  11: "'+|",
  12: "#>",
  13: "\0$@[]~",
  14: "^}",
  15: "<`{",
};

const CODES = huffmanCodes();

function huffmanCodes(): ReadonlyMap<string, string> {
  const codes = new Map<string, string>();
  let code = 0;
  let before = 0;
  for (const [length, symbols] of Object.entries(SYMBOLS)) {
    code <<= Number(length) - before;
    before = Number(length);
    for (const symbol of symbols) codes.set((code++).toString(2).padStart(before, "0"), symbol);
  }
  return codes;
}

function unpack(bytes: Buffer): string {
  let text = "";
  let code = "";
  for (const bit of Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("")) {
    code += bit;
    const symbol = CODES.get(code);
    if (symbol === undefined) continue;
    text += symbol;
    code = "";
  }
  return text;
}
