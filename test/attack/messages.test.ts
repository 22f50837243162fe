import type { ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { readRefusal } from "../support/error-info.ts";
import { callConnectProto, callGrpc, callJson, envelope } from "../support/raw-call.ts";
import { useTarget } from "./target.ts";

// Odd messages in correct frames. Limits of fields and simpler mistakes are in
// test/rpc/bad-encoding.test.ts and bad-input.test.ts. All requests may be as large as batches here,
// so that the server reads the larger ones at all.

const target = useTarget({ MESSAGE_SINGLE_MAX_BYTES: "1048576" });

const OK = "applied";
const UNREADABLE = "InvalidArgument FIELD_INVALID NOT_APPLIED";
const invalid = (name: string) => `${UNREADABLE} ${name}`;
const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const times = (count: number, bytes: Uint8Array) => Buffer.concat(Array(count).fill(bytes));

/** A length-delimited field with a number below 16. */
function field(number: number, ...content: Uint8Array[]): Buffer {
  const bytes = Buffer.concat(content);
  const length: number[] = [];
  for (let rest = bytes.length; ; rest >>= 7) {
    length.push(rest > 127 ? 0x80 | (rest & 127) : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([Buffer.of(8 * number + 2, ...length), bytes]);
}

const ADA = hex("0a 03 616461");
/** A recharge of 5 points. */
const GOOD = Buffer.concat([ADA, hex("20 05")]);
const and = (...parts: Uint8Array[]) => Buffer.concat([GOOD, ...parts]);
const pair = (key: Uint8Array, value: Uint8Array) => and(field(3, field(1, key), field(2, value)));
const K = Buffer.from("k");

describe("protobuf", () => {
  type Case = [what: string, answer: string, message: Uint8Array, method?: string];
  const depth: Case[] = [
    ["unknown groups 90 deep", OK, and(times(90, hex("fb07")), times(90, hex("fc07")))],
    [
      "unknown groups 5,000 deep",
      UNREADABLE,
      and(times(5_000, hex("fb07")), times(5_000, hex("fc07"))),
    ],
    ["unknown groups 400,000 deep, without an end", UNREADABLE, and(times(400_000, hex("fb07")))],
    ["the end of a group that did not begin", UNREADABLE, and(hex("fc07"))],
    ["the end of another group", UNREADABLE, and(hex("fb07 8408"))],
  ];
  const numbers: Case[] = [
    ["a varint of 10 bytes", OK, Buffer.concat([ADA, hex("20 85808080808080808000")])],
    ["a varint of 11 bytes", UNREADABLE, Buffer.concat([ADA, hex("20 8580808080808080808000")])],
    ["a varint past 2^64", invalid("points"), Buffer.concat([ADA, hex("20 ffffffffffffffffff7f")])],
    ["a varint of 2 bytes for 5", OK, Buffer.concat([ADA, hex("20 8500")])],
    ["a tag of 4 bytes for 1", OK, Buffer.concat([hex("8a808000 03 616461"), hex("20 05")])],
    ["a priority of 2^32 + 5, which is 5", OK, and(hex("38 8580808010"))],
    ["a priority of 2^63 - 1", invalid("priority"), and(hex("38 ffffffffffffffff7f"))],
    ["the largest possible field", OK, and(hex("f8ffffff0f 01"))],
    ["a field past it", UNREADABLE, and(hex("f8ffffff1f 01"))],
    ["a field past 2^32", UNREADABLE, and(hex("f8ffffffff01 01"))],
    ["a length of 2^31", UNREADABLE, hex("0a ffffffff07")],
    ["a length of -1", UNREADABLE, hex("0a ffffffffffffffffff01")],
  ];
  const wireTypes: Case[] = [
    ["the wire type 6", UNREADABLE, and(hex("fe07"))],
    ["points as 64 fixed bits", UNREADABLE, Buffer.concat([ADA, hex("21 0500000000000000")])],
    ["points as 32 fixed bits", UNREADABLE, Buffer.concat([ADA, hex("25 05000000")])],
    ["points as text", UNREADABLE, Buffer.concat([ADA, hex("22 01 35")])],
    ["a user_id as a number", UNREADABLE, hex("08 05 20 05")],
    ["a ttl as a number", UNREADABLE, and(hex("30 05"))],
  ];
  const texts: Case[] = [
    [
      "half a surrogate in UTF-8",
      UNREADABLE,
      Buffer.concat([field(1, hex("eda080")), hex("20 05")]),
    ],
    ["a NUL of two bytes", UNREADABLE, Buffer.concat([field(1, hex("c080")), hex("20 05")])],
    [
      "a character past U+10FFFF",
      UNREADABLE,
      Buffer.concat([field(1, hex("f4908080")), hex("20 05")]),
    ],
    ["a value that is no UTF-8", UNREADABLE, pair(K, hex("ff"))],
    ["a key that is no UTF-8", UNREADABLE, pair(hex("c3"), K)],
    ["a value of NUL", invalid('metadata["k"]'), pair(K, hex("00"))],
    ["a byte order mark", OK, pair(hex("efbbbf6b"), hex("efbbbf"))],
    ["U+FFFF", OK, pair(K, hex("efbfbf"))],
  ];
  const shapes: Case[] = [
    ["both members of a oneof, of which the last counts", OK, and(hex("2a 02 0801 32 02 0805"))],
    ["a key without a value", OK, and(field(3, field(1, K)))],
    ["an unknown field in a pair", OK, and(field(3, field(1, K), hex("18 01")))],
    ["a pair without content", invalid('metadata[""]'), and(hex("1a 00"))],
  ];
  const masses: Case[] = [
    ["300,000 unknown numbers", OK, and(times(300_000, hex("f807 01")))],
    ["300,000 unknown texts without content", OK, and(times(300_000, hex("fa07 00")))],
    ["one unknown text of 1 MB", OK, and(field(12, Buffer.alloc(1_000_000)))],
    ["the user_id 200,000 times", OK, and(times(200_000, ADA))],
    [
      "one key of metadata 100,000 times",
      OK,
      and(times(100_000, field(3, field(1, K), field(2, K)))),
    ],
    ["500,000 pairs without content", invalid('metadata[""]'), and(times(500_000, hex("1a 00")))],
    [
      "500,000 operations without content",
      invalid("operations"),
      times(500_000, hex("0a 00")),
      "ApplyBatch",
    ],
    [
      "1,001 operations without content",
      invalid("operations"),
      times(1_001, hex("0a 00")),
      "ApplyBatch",
    ],
    ["no operations", invalid("operations"), Buffer.alloc(0), "ApplyBatch"],
    [
      "1,000,000 kinds",
      invalid("kinds"),
      Buffer.concat([ADA, field(4, Buffer.alloc(1e6, 1))]),
      "ListEntries",
    ],
    [
      "a page_size of -1",
      invalid("page_size"),
      Buffer.concat([ADA, hex("10 ffffffffffffffffff01")]),
      "ListEntries",
    ],
    [
      "a page_token that is no base64",
      "InvalidArgument PAGE_TOKEN_INVALID NOT_APPLIED page_token",
      Buffer.concat([ADA, field(3, Buffer.from("!!!"))]),
      "ListEntries",
    ],
    [
      "a page_token of 900,000 characters",
      invalid("page_token"),
      Buffer.concat([ADA, field(3, Buffer.alloc(900_000, "A"))]),
      "ListEntries",
    ],
    [
      "a service of 1 MB",
      invalid("usage.service"),
      field(1, field(1, Buffer.alloc(1e6, "a"))),
      "Quote",
    ],
    [
      "the largest sequence",
      "NotFound ENTRY_NOT_FOUND NOT_APPLIED",
      Buffer.concat([ADA, hex("10 ffffffffffffffff7f")]),
      "GetEntry",
    ],
  ];
  const all = [...depth, ...numbers, ...wireTypes, ...texts, ...shapes, ...masses];

  describe.each([
    ["the fast path", "application/grpc"],
    ["Connect", "application/GRPC"],
  ])("by %s", (_, type) => {
    test.each(all)("%s: %s", async (_what, answer, message, method = "Recharge") => {
      const call = { method, body: envelope(message), headers: { "content-type": type } };
      await expectOutcome(answer, callGrpc(target().baseUrl, call));
    });
  });

  test("is the same over HTTP/1.1", async () => {
    for (const [, answer, message, method = "Recharge"] of [...depth, ...numbers, ...wireTypes]) {
      const call = { method, body: Uint8Array.from(message) };
      await expectOutcome(answer, callConnectProto(target().baseUrl, call));
    }
  });
});

describe("a stream whose second message", () => {
  const recharge = Buffer.concat([field(1, Buffer.from("eve")), hex("20 04")]);
  const first = envelope(field(2, field(1, recharge)));
  test.each([
    ["has an unknown wire type", UNREADABLE, envelope(hex("fe07"))],
    ["is no UTF-8", UNREADABLE, envelope(hex("0a 01 ff"))],
    ["is cut", UNREADABLE, hex("00 00000005 0a")],
    [
      "says that it is compressed",
      "Internal FIELD_INVALID NOT_APPLIED",
      envelope(hex("0a 01 61"), 1),
    ],
    ["is too large", "ResourceExhausted MESSAGE_TOO_LARGE NOT_APPLIED", hex("00 7fffffff")],
  ])("%s ends: %s", async (_, answer, second) => {
    const body = Buffer.concat([first, second]);
    const error = await callGrpc(target().baseUrl, { method: "Apply", body });
    expect(outcomeOf(error!)).toBe(answer);
  });
});

describe("JSON", () => {
  const nested = (open: string, close: string, depth: number) =>
    `${open.repeat(depth)}1${close.repeat(depth)}`;
  const recharge = (rest: string) => `{"userId":"ada","points":5,${rest}}`;
  const amount = (text: string) => `{"userId":"ada","points":${text}}`;
  const thousands = Array.from({ length: 50_000 }, (_, n) => `"u${n}":${n}`).join();

  test.each<[string, string, string]>([
    ["an unknown list 400,000 deep", invalid("x"), recharge(`"x":${nested("[", "]", 400_000)}`)],
    [
      "an unknown object 150,000 deep",
      invalid("x"),
      recharge(`"x":${nested('{"a":', "}", 150_000)}`),
    ],
    [
      "metadata 150,000 deep",
      invalid('metadata["a"]'),
      recharge(`"metadata":${nested('{"a":', "}", 150_000)}`),
    ],
    ["50,000 unknown members", invalid("u0"), recharge(thousands)],
    ["a number of 500,000 digits", invalid("points"), amount("9".repeat(500_000))],
    ["5 with 500,000 zeros behind the point", OK, amount(`5.${"0".repeat(500_000)}`)],
    ["0.5e1, which is 5", OK, amount("0.5e1")],
    ["1e308", invalid("points"), amount("1e308")],
    ["1e3 in quotes", invalid("points"), amount('"1e3"')],
    ["5.0 in quotes", invalid("points"), amount('"5.0"')],
    ["-0", invalid("points"), amount("-0")],
    ["1_000", invalid("points"), amount('"1_000"')],
    ["5n", invalid("points"), amount('"5n"')],
    ["a wide 5", invalid("points"), amount('"５"')],
    ["Infinity", invalid("points"), amount('"Infinity"')],
    ["NaN", UNREADABLE, amount("NaN")],
    ["no points at all", invalid("points"), amount("null")],
    ["a doubled user_id", invalid("userId"), `{"userId":"ada","userId":"eve","points":5}`],
    ["a doubled key of metadata", invalid("k"), recharge(`"metadata":{"k":"a","k":"b"}`)],
    [
      "__proto__ with the fields in it",
      invalid("__proto__"),
      `{"__proto__":{"userId":"ada"},"points":5}`,
    ],
    [
      "__proto__ beside the fields",
      invalid("__proto__"),
      recharge(`"__proto__":{"priority":2000}`),
    ],
    [
      "members of every object",
      invalid("constructor"),
      recharge(`"constructor":1,"toString":2,"hasOwnProperty":3`),
    ],
    ["half a surrogate as a key", invalid("metadata"), recharge(`"metadata":{"\\udc00":"x"}`)],
    [
      "a surrogate pair the wrong way round",
      invalid('metadata["k"]'),
      recharge(`"metadata":{"k":"\\udc00\\ud800"}`),
    ],
    ["half a surrogate as a user_id", invalid("user_id"), `{"userId":"\\ud800","points":5}`],
    ["half a surrogate as points", invalid("points"), amount('"\\ud800"')],
    ["an escaped NUL", invalid('metadata["k"]'), recharge(`"metadata":{"k":"\\u0000"}`)],
    ["a NUL", UNREADABLE, recharge(`"metadata":{"k":"\0"}`)],
    ["a comma too many", UNREADABLE, recharge(`"priority":1,`)],
    ["a comment", UNREADABLE, `${amount("5")}//`],
    ["two objects", UNREADABLE, amount("5").repeat(2)],
    ["single quotes", UNREADABLE, `{'userId':'ada','points':5}`],
    ["a text", UNREADABLE, `"ada"`],
    ["a number", UNREADABLE, "5"],
    ["a user_id of null", invalid("user_id"), `{"userId":null,"points":5}`],
    ["a user_id that is an object", invalid("user_id"), `{"userId":{},"points":5}`],
    ["a user_id that is a list", invalid("user_id"), `{"userId":["ada"],"points":5}`],
    [
      "a value of metadata that is a number",
      invalid('metadata["k"]'),
      recharge(`"metadata":{"k":5}`),
    ],
    ["metadata of null, which is none", OK, recharge(`"metadata":null`)],
    ["a ttl of 1e3 s", invalid("ttl"), recharge(`"ttl":"1e3s"`)],
    ["a ttl of ten digits behind the point", invalid("ttl"), recharge(`"ttl":"1.0000000001s"`)],
    ["a ttl without digits", invalid("ttl"), recharge(`"ttl":"-s"`)],
    [
      "a time with a space",
      invalid("expire_time"),
      recharge(`"expireTime":"2099-01-01 00:00:00Z"`),
    ],
    ["an hour 25", invalid("expire_time"), recharge(`"expireTime":"2099-01-01T25:00:00Z"`)],
    ["a second 60", invalid("expire_time"), recharge(`"expireTime":"2099-12-31T23:59:60Z"`)],
    [
      "a zone of 99 hours",
      invalid("expire_time"),
      recharge(`"expireTime":"2099-01-01T00:00:00+99:00"`),
    ],
    ["the year 0", invalid("expire_time"), recharge(`"expireTime":"0000-01-01T00:00:00Z"`)],
    [
      "a time of eleven digits behind the point",
      invalid("expire_time"),
      recharge(`"expireTime":"2099-01-01T00:00:00.12345678901Z"`),
    ],
    ["a priority of 1.5", invalid("priority"), recharge(`"priority":1.5`)],
    ["a priority that is true", invalid("priority"), recharge(`"priority":true`)],
    ["a priority in quotes", OK, recharge(`"priority":"7"`)],
  ])("%s: %s", async (_, answer, body) => {
    await expectOutcome(answer, callJson(target().baseUrl, { method: "Recharge", body }));
    const headers = { "content-type": "application/grpc+json" };
    const call = { method: "Recharge", body: envelope(Buffer.from(body)), headers };
    await expectOutcome(answer, callGrpc(target().baseUrl, call));
  });

  test("in UTF-16 is not read", async () => {
    const body = Uint8Array.from(Buffer.from(amount("5"), "utf16le"));
    await expectOutcome(UNREADABLE, callJson(target().baseUrl, { method: "Recharge", body }));
  });
});

/** Expects OK, or a refusal that changes nothing, as "code reason outcome fields". */
async function expectOutcome(answer: string, call: ReturnType<typeof callGrpc>): Promise<void> {
  const before = await target().rows();
  const error = await call;
  expect(error === undefined ? OK : outcomeOf(error)).toBe(answer);
  expect(error?.rawMessage.length ?? 0).toBeLessThanOrEqual(500);
  expect(answer === OK ? before : await target().rows()).toEqual(before);
}

function outcomeOf(error: ConnectError): string {
  const { code, reason, outcome, fields } = readRefusal(error);
  return [code, reason, outcome, ...fields].join(" ");
}
