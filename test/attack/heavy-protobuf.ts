import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** The bytes of a field, and the name of what they have much of. */
export type HeavyField = readonly [what: string, bytes: Buffer];

/** A field as large as `room` allows, in each way in which it can be large. */
export function heavyField(field: DescField, room: number): readonly HeavyField[] {
  const { number } = field;
  const pair = (...content: Uint8Array[]) => lengthed(number, ...content);
  const many = (...content: Uint8Array[]) => fill(room, lengthed(number, ...content));
  switch (field.fieldKind) {
    case "map":
      return [
        ["pairs", numbered(room, (key) => pair(lengthed(1, key)))],
        ["bad values", numbered(room, (key) => pair(lengthed(1, key), lengthed(2, NUL)))],
        ["bad keys", numbered(room, (key) => pair(lengthed(1, NUL, key)))],
        ["empty pairs", many()],
        ["one long key", pair(lengthed(1, Buffer.alloc(room, "k")))],
        ["one long value", pair(lengthed(2, Buffer.alloc(room, "é")))],
      ];
    case "message":
      return [
        ["many times", many()],
        ["many times, each with an unknown", many(UNKNOWN)],
      ];
    case "list":
      if (field.listKind === "message") {
        return [
          ["many", many()],
          ["many, each with an unknown", many(UNKNOWN)],
        ];
      }
      if (field.listKind === "scalar" && isText(field.scalar)) return [["many", many()]];
      return [
        ["many", lengthed(number, Buffer.alloc(room, 1))],
        ["many that are not defined", lengthed(number, Buffer.alloc(room, 0x7f))],
        ["many zeros", lengthed(number, Buffer.alloc(room))],
        ["many, one by one", fill(room, tagged(number, WireType.Varint), Buffer.of(0x7f))],
      ];
    case "scalar":
      if (!isText(field.scalar)) return numbers(number, room);
      return [
        ...TEXTS.map(([what, text]): HeavyField => {
          return [what, lengthed(number, fill(room, Buffer.from(text)))];
        }),
        ["many times", many(Buffer.from("a"))],
      ];
    case "enum":
      return numbers(number, room);
  }
}

/** Unknown fields of a message. */
export function unknownFields({ fields }: DescMessage, room: number): readonly HeavyField[] {
  const number = Math.max(0, ...fields.map((field) => field.number)) + 100;
  const tag = (type: WireType) => tagged(number, type);
  const [begin, end] = [tag(WireType.StartGroup), tag(WireType.EndGroup)];
  return [
    ["numbers", fill(room, tag(WireType.Varint), Buffer.of(1))],
    ["texts", fill(room, lengthed(number))],
    ["one text", lengthed(number, Buffer.alloc(room))],
    ["groups", fill(room, begin, end)],
    ["groups, 90 deep", fill(room, ...Array(90).fill(begin), ...Array(90).fill(end))],
    ["groups without an end", fill(room, begin)],
  ];
}

/** A length-delimited field. */
export function lengthed(number: number, ...content: readonly Uint8Array[]): Buffer {
  const writer = new BinaryWriter().tag(number, WireType.LengthDelimited);
  return Buffer.from(writer.bytes(Buffer.concat(content)).finish());
}

/** The parts, repeated until they fill the room. */
export function fill(room: number, ...parts: readonly Uint8Array[]): Buffer {
  const part = Buffer.concat(parts);
  return Buffer.concat(Array<Buffer>(Math.floor(room / part.length)).fill(part));
}

const NUL = Buffer.alloc(1);
const UNKNOWN = Buffer.concat([tagged(1_000, WireType.Varint), Buffer.of(1)]);
const TEXTS: readonly (readonly [what: string, text: string])[] = [
  ["a long text", "a"],
  ["a long text of NUL", "\0"],
  ["a long text of ä", "ä"],
  ["a long text of emojis", "🙂"],
  ["a long text of percents", "%"],
];

function numbers(number: number, room: number): readonly HeavyField[] {
  const tag = tagged(number, WireType.Varint);
  return [
    ["many times", fill(room, tag, Buffer.of(1))],
    ["many times, of 10 bytes", fill(room, tag, Buffer.alloc(9, 0xff), Buffer.of(1))],
  ];
}

function numbered(room: number, make: (key: Buffer) => Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let left = room; ;) {
    const part = make(Buffer.from(parts.length.toString(36)));
    left -= part.length;
    if (left < 0) return Buffer.concat(parts);
    parts.push(part);
  }
}

function tagged(number: number, type: WireType): Buffer {
  return Buffer.from(new BinaryWriter().tag(number, type).finish());
}

function isText(scalar: ScalarType): boolean {
  return scalar === ScalarType.STRING || scalar === ScalarType.BYTES;
}
