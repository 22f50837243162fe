import { describe, expect, test } from "vitest";
import {
  ACK,
  END_HEADERS,
  END_STREAM,
  type Field,
  frame,
  headerBlock,
  PADDED,
  PREFACE,
  PRIORITY,
  settings,
  TYPE,
  uint32,
} from "./frames.ts";
import { ADA, CALL, data, headers, useTarget, withField, without } from "./target.ts";
import { HELLO, openWire } from "./wire.ts";

// Hostile HTTP/2 connections. A stream error of RFC 9113 ends only that stream, a connection error
// ends the connection. Each case uses one connection; afterwards another one must be answered.

const target = useTarget();

const PATH = "/points.v1.PointsService/GetOrCreate";
const more = (...fields: Field[]) => [...CALL, ...fields];
const block = headerBlock(CALL);
const [RESET_1, PROTOCOL_ERROR, INTERNAL, FLOW, CLOSED, SIZE, COMPRESSION, CALM] = [
  "RST 1",
  "GOAWAY 1",
  "GOAWAY 2",
  "GOAWAY 3",
  "GOAWAY 5",
  "GOAWAY 6",
  "GOAWAY 9",
  "RST 11",
];

/** The outcome of stream 1, or of the connection if it ends first or no stream has an outcome. */
async function answerTo(expected: string, bytes: readonly Uint8Array[]): Promise<string> {
  const wire = openWire(target().port);
  try {
    wire.send(HELLO, ...bytes);
    if (expected === "alive") {
      return (await wire.pings()) ? (wire.outcome(1) ?? "alive") : wire.state();
    }
    const isOver = () => wire.outcome(1) !== undefined || wire.state() !== "alive";
    if (!(await wire.until(isOver))) return "silence";
    const outcome = wire.outcome(1);
    if (outcome === undefined) return wire.state();
    // A stream error must leave the connection usable.
    return (await wire.pings()) ? outcome : wire.state();
  } finally {
    wire.close();
  }
}

type Case = [what: string, answer: string, fields: readonly Field[]];

describe("a head", () => {
  const authorities: Case[] = [
    ...["a:b", "%", "[::", "%00", "x:99999", "x:-1", "1.2.3.4.5", "x", "x:", "xn--", ".."].map(
      (text): Case => [`authority ${text}`, "200 grpc 7", withField(":authority", text)],
    ),
    ...["", "a b", "a/b", "@", "user@x", "é", "http://x", "?", "#", "x\\y"].map((text): Case => [
      `authority "${text}"`,
      RESET_1,
      withField(":authority", text),
    ]),
    ...["[::1]", "[::1]:50", "localhost:", "run%2Fx.sock", `${"a".repeat(300)}.localhost`].map(
      (text): Case => [`authority ${text}`, "200 grpc 0", withField(":authority", text)],
    ),
  ];
  const paths: Case[] = [
    ...["", "*", "points", `http://x${PATH}`].map((text): Case => [
      `path "${text}"`,
      RESET_1,
      withField(":path", text),
    ]),
    ...[
      `/${PATH}`,
      "//[",
      "/points.v1.PointsService/%47etOrCreate",
      `/x/..${PATH}`,
      `${PATH}#a`,
      `${PATH}/`,
      "/points.v1.PointsService/toString",
      "/__proto__/constructor",
      `/${"a".repeat(10_000)}`,
    ].map((text): Case => [`path ${text.slice(0, 40)}`, "200 grpc 12", withField(":path", text)]),
  ];
  const pseudo: Case[] = [
    ...[":method", ":path", ":scheme", ":authority"].flatMap((name): Case[] => [
      [`without ${name}`, RESET_1, without(name)],
      [`with ${name} twice`, RESET_1, [...CALL.filter(([known]) => known === name), ...CALL]],
    ]),
    [
      "with host instead of :authority",
      "200 grpc 0",
      [...without(":authority"), ["host", "localhost"]],
    ],
    ["with a host that differs", "200 grpc 0", more(["host", "y"])],
    ["with an unknown pseudo-header", RESET_1, [[":colour", "red"], ...CALL]],
    ["with a :status", RESET_1, [[":status", "200"], ...CALL]],
    ["with a pseudo-header behind the others", RESET_1, [...without(":path"), [":path", PATH]]],
    ["with an empty scheme", RESET_1, withField(":scheme", "")],
    [
      "CONNECT",
      "405",
      [
        [":method", "CONNECT"],
        [":authority", "localhost"],
      ],
    ],
    [
      "CONNECT of a protocol",
      RESET_1,
      [[":protocol", "websocket"], ...withField(":method", "CONNECT")],
    ],
    ["a method beyond ASCII", RESET_1, withField(":method", "PÖST")],
    ...["GET", "post", "OPTIONS", "PUT", "TRACE"].map((method): Case => [
      `method ${method}`,
      "405",
      withField(":method", method),
    ]),
  ];
  const fields: Case[] = [
    ["a name in capitals", RESET_1, more(["X-Upper", "1"])],
    ["connection", RESET_1, more(["connection", "close"])],
    ["transfer-encoding", RESET_1, more(["transfer-encoding", "chunked"])],
    ["upgrade", RESET_1, more(["upgrade", "h2c"])],
    ["te: gzip", RESET_1, withField("te", "gzip")],
    ["no te", "200 grpc 0", without("te")],
    ["a NUL in a value", "200 grpc 0", more(["x", "a\0b"])],
    ["a newline in a value", "200 grpc 0", more(["x", "a\nb: c"])],
    ["a space in a name", "200 grpc 0", more(["x y", "a"])],
    ["an empty name", "200 grpc 0", more(["", "a"])],
    ["content-length of a word", RESET_1, more(["content-length", "ten"])],
    ["content-length -1", RESET_1, more(["content-length", "-1"])],
    ["content-length twice", RESET_1, more(["content-length", "10"], ["content-length", "10"])],
    ["content-length below the body's", INTERNAL, more(["content-length", "3"])],
    ["content-length above the body's", RESET_1, more(["content-length", "11"])],
    ["an unknown expectation", "417", more(["expect", "miracles"])],
    ["two deadlines", "200 grpc 3", more(["grpc-timeout", "1S"], ["grpc-timeout", "2S"])],
    ["200 cookies", CALM, more(...Array.from({ length: 200 }, (): Field => ["cookie", "a=b"]))],
    [
      "300 small fields",
      CALM,
      more(...Array.from({ length: 300 }, (_, n): Field => [`x${n}`, ""])),
    ],
    ["metadata that is no base64", "200 grpc 0", more(["x-bin", "!!!"])],
  ];
  test.each([...authorities, ...paths, ...pseudo, ...fields])("%s: %s", async (_, answer, head) => {
    const before = await target().rows();
    expect(await answerTo(answer, [headers(head), data(ADA)])).toBe(answer);
    expect(await target().rows()).toEqual(before);
  });
});

describe("a frame", () => {
  const split = [block.subarray(0, 20), block.subarray(20)] as const;
  const none = Buffer.alloc(0);
  const open = headers(CALL);
  const cases: [string, string, Uint8Array[]][] = [
    ["DATA on stream 0", PROTOCOL_ERROR, [data(ADA, 0)]],
    ["DATA on a stream that is not open", PROTOCOL_ERROR, [data(ADA)]],
    [
      "DATA padded past its end",
      PROTOCOL_ERROR,
      [open, frame(TYPE.DATA, PADDED, 1, Buffer.of(200, 1))],
    ],
    ["DATA larger than was agreed", SIZE, [open, data(Buffer.alloc(16_385))]],
    ["DATA whose length is a lie", SIZE, [open, frame(TYPE.DATA, 0, 1, ADA, 0xff_ffff)]],
    [
      "DATA with padding",
      "200 grpc 0",
      [open, data(Buffer.concat([Buffer.of(5), ADA, Buffer.alloc(5)]), 1, END_STREAM | PADDED)],
    ],
    ["HEADERS on stream 0", PROTOCOL_ERROR, [headers(CALL, 0)]],
    ["HEADERS on an even stream", PROTOCOL_ERROR, [headers(CALL, 2)]],
    ["HEADERS on a stream that was closed", CLOSED, [open, data(ADA), open, data(ADA)]],
    ["HEADERS on a lower stream than before", "alive", [headers(CALL, 5), data(ADA, 5), open]],
    ["HEADERS twice", RESET_1, [open, headers([["x", "y"]])]],
    ["HEADERS that are empty", RESET_1, [headers([], 1, END_HEADERS | END_STREAM)]],
    [
      "HEADERS padded past their end",
      PROTOCOL_ERROR,
      [frame(TYPE.HEADERS, END_HEADERS | PADDED, 1, Buffer.concat([Buffer.of(255), block]))],
    ],
    [
      "HEADERS that depend on themselves",
      PROTOCOL_ERROR,
      [
        frame(
          TYPE.HEADERS,
          END_HEADERS | PRIORITY,
          1,
          Buffer.concat([uint32(1), Buffer.of(1), block]),
        ),
      ],
    ],
    [
      "HEADERS in two frames",
      "200 grpc 0",
      [
        frame(TYPE.HEADERS, 0, 1, split[0]),
        frame(TYPE.CONTINUATION, END_HEADERS, 1, split[1]),
        data(ADA),
      ],
    ],
    ["HEADERS that are cut off by DATA", PROTOCOL_ERROR, [headers(CALL, 1, 0), data(ADA)]],
    [
      "trailers",
      "200 grpc 0",
      [open, data(ADA, 1, 0), headers([["x", "y"]], 1, END_HEADERS | END_STREAM)],
    ],
    [
      "trailers with a pseudo-header",
      RESET_1,
      [open, data(ADA, 1, 0), headers([[":path", "/"]], 1, END_HEADERS | END_STREAM)],
    ],
    ["CONTINUATION of nothing", PROTOCOL_ERROR, [frame(TYPE.CONTINUATION, END_HEADERS, 1, block)]],
    [
      "CONTINUATION on another stream",
      PROTOCOL_ERROR,
      [frame(TYPE.HEADERS, 0, 1, split[0]), frame(TYPE.CONTINUATION, END_HEADERS, 3, split[1])],
    ],
    ...(
      [
        ["the index 0", Buffer.of(0x80)],
        ["an index past the table", Buffer.of(0xff, 0x60)],
        ["a number without an end", Buffer.alloc(20, 0xff)],
        ["a text past the end", Buffer.of(0, 127, 1)],
        ["a Huffman code for the end", Buffer.of(0, 0x84, 0xff, 0xff, 0xff, 0xff, 0)],
        ["a table larger than was agreed", Buffer.of(0x3f, 0xff, 0xff, 0xff, 0x07)],
      ] as const
    ).map(([what, content]): [string, string, Uint8Array[]] => [
      `HEADERS with ${what}`,
      COMPRESSION,
      [frame(TYPE.HEADERS, END_HEADERS, 1, content)],
    ]),
    ["PRIORITY of 4 bytes", SIZE, [frame(TYPE.PRIORITY, 0, 1, Buffer.alloc(4))]],
    ["RST_STREAM on stream 0", PROTOCOL_ERROR, [frame(TYPE.RST_STREAM, 0, 0, uint32(8))]],
    [
      "RST_STREAM of a stream that is not open",
      PROTOCOL_ERROR,
      [frame(TYPE.RST_STREAM, 0, 1, uint32(8))],
    ],
    ["RST_STREAM of 3 bytes", SIZE, [open, frame(TYPE.RST_STREAM, 0, 1, Buffer.alloc(3))]],
    ["SETTINGS on a stream", PROTOCOL_ERROR, [frame(TYPE.SETTINGS, 0, 1)]],
    ["SETTINGS of 5 bytes", SIZE, [frame(TYPE.SETTINGS, 0, 0, Buffer.alloc(5))]],
    ["SETTINGS acknowledged with content", SIZE, [frame(TYPE.SETTINGS, ACK, 0, Buffer.alloc(6))]],
    [
      "SETTINGS acknowledged that never were",
      PROTOCOL_ERROR,
      [frame(TYPE.SETTINGS, ACK, 0), frame(TYPE.SETTINGS, ACK, 0)],
    ],
    ["SETTINGS of a window of 2^31", FLOW, [settings([4, 0x8000_0000])]],
    ["SETTINGS of frames of 100 bytes", PROTOCOL_ERROR, [settings([5, 100])]],
    ["SETTINGS of 2 for a switch", PROTOCOL_ERROR, [settings([2, 2])]],
    ["SETTINGS that are not known", "alive", [settings([0x99, 2])]],
    [
      "PUSH_PROMISE",
      PROTOCOL_ERROR,
      [open, frame(TYPE.PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([uint32(2), block]))],
    ],
    ["PING of 7 bytes", SIZE, [frame(TYPE.PING, 0, 0, Buffer.alloc(7))]],
    ["PING on a stream", PROTOCOL_ERROR, [frame(TYPE.PING, 0, 1, Buffer.alloc(8))]],
    ["PING acknowledged that never was", INTERNAL, [frame(TYPE.PING, ACK, 0, Buffer.alloc(8))]],
    ["GOAWAY on a stream", PROTOCOL_ERROR, [frame(TYPE.GOAWAY, 0, 1, Buffer.alloc(8))]],
    ["GOAWAY of 4 bytes", SIZE, [frame(TYPE.GOAWAY, 0, 0, Buffer.alloc(4))]],
    [
      "WINDOW_UPDATE of a stream that is not open",
      PROTOCOL_ERROR,
      [frame(TYPE.WINDOW_UPDATE, 0, 1, uint32(8))],
    ],
    ["WINDOW_UPDATE of 0", PROTOCOL_ERROR, [frame(TYPE.WINDOW_UPDATE, 0, 0, uint32(0))]],
    [
      "WINDOW_UPDATE of 0 for a stream",
      PROTOCOL_ERROR,
      [open, frame(TYPE.WINDOW_UPDATE, 0, 1, uint32(0))],
    ],
    ["WINDOW_UPDATE past 2^31", FLOW, [frame(TYPE.WINDOW_UPDATE, 0, 0, uint32(0x7fff_ffff))]],
    [
      "WINDOW_UPDATE past 2^31 for a stream",
      FLOW,
      [open, frame(TYPE.WINDOW_UPDATE, 0, 1, uint32(0x7fff_ffff))],
    ],
    ["WINDOW_UPDATE of 5 bytes", SIZE, [frame(TYPE.WINDOW_UPDATE, 0, 0, Buffer.alloc(5))]],
    ["of an unknown type", "200 grpc 0", [open, frame(0x77, 0xff, 1, block), data(ADA)]],
    ["that is the preface again", SIZE, [PREFACE, none]],
  ];
  test.each(cases)("%s: %s", async (_, answer, bytes) => {
    const before = await target().rows();
    expect(await answerTo(answer, bytes)).toBe(answer);
    expect(await target().rows()).toEqual(before);
  });
});

describe("a caller that disconnects", () => {
  const methods = ["Consume", "WatchAccount", "Apply"];
  const reset = frame(TYPE.RST_STREAM, 0, 1, uint32(8));
  test.each(
    methods.flatMap((method): [string, string, Uint8Array[]][] => [
      [method, "before its message", []],
      [method, "within its message", [data(ADA.subarray(0, 7), 1, 0)]],
      [method, "before the end of its body", [data(ADA, 1, 0)]],
      [method, "by a reset within its message", [data(ADA.subarray(0, 7), 1, 0), reset]],
    ]),
  )("from %s %s is no bug of the server's", async (method, _, bytes) => {
    const before = await target().rows();
    const wire = openWire(target().port);
    const head = withField(":path", `/points.v1.PointsService/${method}`);
    wire.send(HELLO, headers(head), ...bytes);
    expect(await wire.pings()).toBe(true);
    wire.close();
    await target().expectUnharmed();
    expect(await target().rows()).toEqual(before);
  });
});

describe("a flood", () => {
  const times = (count: number, make: (stream: number) => Uint8Array) =>
    Buffer.concat(Array.from({ length: count }, (_, index) => make(2 * index + 1)));
  const joined = (...frames: Uint8Array[]) => Buffer.concat(frames);
  const large = headerBlock([["x", "y".repeat(1000)]]);
  const trailers = (stream: number) => headers([["x", "y"]], stream, END_HEADERS | END_STREAM);
  const update = (stream: number, by: number) => frame(TYPE.WINDOW_UPDATE, 0, stream, uint32(by));
  const reset = (stream: number) => frame(TYPE.RST_STREAM, 0, stream, uint32(8));

  test.each<[string, "cut off" | "alive", () => Uint8Array]>([
    [
      "2 MB of CONTINUATION",
      "cut off",
      () =>
        joined(
          headers(CALL, 1, 0),
          times(2_000, () => frame(TYPE.CONTINUATION, 0, 1, large)),
        ),
    ],
    [
      "100,000 empty CONTINUATIONs",
      "cut off",
      () =>
        joined(
          headers(CALL, 1, 0),
          times(100_000, () => frame(TYPE.CONTINUATION, 0, 1)),
        ),
    ],
    [
      "30 CONTINUATIONs that come to an end",
      "cut off",
      () =>
        joined(
          headers(CALL, 1, 0),
          times(30, () => frame(TYPE.CONTINUATION, 0, 1, large)),
          frame(TYPE.CONTINUATION, END_HEADERS, 1),
        ),
    ],
    [
      "10,000 fields",
      "cut off",
      () =>
        joined(
          headers(CALL, 1, 0),
          times(10, () =>
            frame(
              TYPE.CONTINUATION,
              0,
              1,
              headerBlock(Array.from({ length: 1000 }, () => ["x", "y"])),
            ),
          ),
          frame(TYPE.CONTINUATION, END_HEADERS, 1),
        ),
    ],
    [
      "one token of 1 MB",
      "cut off",
      () => {
        const token = headerBlock([...CALL, ["authorization", `Bearer ${"x".repeat(1_000_000)}`]]);
        const last = Math.floor(token.length / 16_000);
        const frames = Array.from({ length: last + 1 }, (_, n) => {
          const type = n === 0 ? TYPE.HEADERS : TYPE.CONTINUATION;
          const part = token.subarray(16_000 * n, 16_000 * (n + 1));
          return frame(type, n === last ? END_HEADERS : 0, 1, part);
        });
        return joined(...frames, data(ADA));
      },
    ],
    [
      "100,000 PINGs",
      "cut off",
      () => times(100_000, () => frame(TYPE.PING, 0, 0, Buffer.alloc(8))),
    ],
    ["100,000 SETTINGS", "cut off", () => times(100_000, () => settings([3, 100]))],
    ["100,000 empty SETTINGS", "cut off", () => times(100_000, () => settings())],
    [
      "2,000 settings in one frame",
      "cut off",
      () => settings(...Array.from({ length: 2_000 }, (_, n) => [100 + n, n] as const)),
    ],
    [
      "10,000 streams that are reset at once",
      "cut off",
      () => times(10_000, (n) => joined(headers(CALL, n), reset(n))),
    ],
    [
      "5,000 calls that are reset at once",
      "cut off",
      () => times(5_000, (n) => joined(headers(CALL, n), data(ADA, n), reset(n))),
    ],
    [
      "5,000 streams that make the server reset them",
      "cut off",
      () => times(5_000, (n) => joined(headers(CALL, n), update(n, 0))),
    ],
    [
      "5,000 calls that go on after their end",
      "cut off",
      () => times(5_000, (n) => joined(headers(CALL, n), data(ADA, n), trailers(n))),
    ],
    [
      "20,000 heads without a path",
      "cut off",
      () => times(20_000, (n) => headers(without(":path"), n)),
    ],
    [
      "2,000 streams at once, of which the server allows 256",
      "cut off",
      () => times(2_000, (n) => headers(CALL, n)),
    ],
    [
      "100,000 PRIORITY frames",
      "cut off",
      () => times(100_000, (n) => frame(TYPE.PRIORITY, 0, n, Buffer.alloc(5))),
    ],
    [
      "100,000 empty DATA frames",
      "cut off",
      () =>
        joined(
          headers(CALL),
          times(100_000, () => data(Buffer.alloc(0), 1, 0)),
        ),
    ],
    [
      "20,000 frames of types that are not known",
      "cut off",
      () => times(20_000, () => frame(0x50, 0, 0, Buffer.alloc(100))),
    ],
    [
      "10,000 GOAWAYs",
      "cut off",
      () => times(10_000, () => frame(TYPE.GOAWAY, 0, 0, Buffer.alloc(8))),
    ],
    ["100,000 WINDOW_UPDATEs", "alive", () => times(100_000, () => update(0, 1))],
    [
      "500 DATA frames of padding alone",
      "alive",
      () =>
        joined(
          headers(CALL),
          times(500, () => data(Buffer.concat([Buffer.of(100), Buffer.alloc(100)]), 1, PADDED)),
        ),
    ],
    [
      "300 streams at once, of which the server allows 256",
      "alive",
      () => times(300, (n) => headers(CALL, n)),
    ],
    [
      "a field of 4 kB, 26,000 times from the table",
      "alive",
      () =>
        joined(
          frame(TYPE.HEADERS, 0, 1, joined(block, TABLED, Buffer.alloc(10_000, 0xbe))),
          frame(TYPE.CONTINUATION, END_HEADERS, 1, Buffer.alloc(16_000, 0xbe)),
        ),
    ],
    [
      "256 calls by who never takes the answers",
      "alive",
      () =>
        joined(
          settings([4, 0]),
          times(256, (n) => joined(headers(CALL, n), data(ADA, n))),
        ),
    ],
  ])("of %s: %s", async (_, expected, make) => {
    const wire = openWire(target().port);
    wire.send(HELLO, make());
    const isAnswered = await wire.pings();
    const isOpen = wire.state() === "alive";
    expect(isAnswered ? "alive" : isOpen ? "silent" : "cut off").toBe(expected);
    // That connection is still open.
    await target().expectAnswer();
    wire.close();
  });

  // HPACK: adds "a" with a value of 3,900 bytes to the table; 3900 = 127 + 3773 as a varint.
  const [low, high] = [0x80 | (3773 & 127), 3773 >> 7];
  const TABLED = joined(Buffer.of(0x40, 1, 97, 127, low, high), Buffer.alloc(3900, 98));
});
