import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { parse } from "csv-parse/sync";
import { describe, expect, test } from "vitest";
import { arrange } from "../../console/statement/arrange.ts";
import { balanceRange, balanceSteps } from "../../console/statement/balance-steps.ts";
import { csvHead, csvLine } from "../../console/statement/csv.ts";
import { hasGaps, requestOf, unknownKinds } from "../../console/statement/filters.ts";
import { shortMetadata } from "../../console/parts/short-metadata.ts";
import { EntryKind, EntrySchema } from "../../gen/points/v1/account_pb.ts";

const entryOf = (init: MessageInitShape<typeof EntrySchema>) => create(EntrySchema, init);

describe("the order of a statement", () => {
  /** Numbers with what they are about, newest first. */
  const arranged = (...pairs: readonly (readonly [number, number?])[]) =>
    arrange(
      pairs.map(([sequence, about = 0]) =>
        entryOf({ sequence: BigInt(sequence), refersTo: BigInt(about) }),
      ),
    ).map(({ entry, level }) => `${"  ".repeat(level)}${entry.sequence}`);

  test("what is about an entry stands beneath it, in the order in which it happened", () => {
    const order = arranged([6, 4], [5], [4, 2], [3, 2], [2], [1]);
    expect(order).toEqual(["5", "2", "  3", "  4", "    6", "1"]);
  });

  test("a chain of any length is put in order, no deeper than there is room for", () => {
    const length = 20_000;
    const chain = Array.from({ length }, (_, at) => [length - at, length - at - 1] as const);
    const rows = arranged(...chain);
    expect(rows.slice(0, 5)).toEqual(["1", "  2", "    3", "      4", "      5"]);
    expect(rows).toHaveLength(length);
  });

  test("what is about an entry that is not there stands by its number", () => {
    expect(arranged([9, 2], [8], [7, 5], [5])).toEqual(["9", "8", "5", "  7"]);
  });

  test("each entry is there once, whatever pages have come", () => {
    const pairs: [number, number][] = Array.from({ length: 300 }, (_, at) => {
      const sequence = 300 - at;
      return [sequence, sequence % 3 === 0 ? sequence - 2 : 0];
    });
    for (const length of [100, 101, 200, 300]) {
      const numbers = arranged(...pairs.slice(0, length)).map(Number);
      expect(new Set(numbers).size).toBe(length);
      expect(numbers).toHaveLength(length);
    }
  });
});

describe("the balance over time", () => {
  const entries = (balances: readonly number[]) =>
    balances
      .map((balance, at) =>
        entryOf({ balanceAfter: BigInt(balance), createTime: timestampFromMs(at) }),
      )
      .toReversed();

  test("a few entries are a step each", () => {
    expect(balanceSteps(entries([5, 3, 9]))).toEqual([
      { time: 0, balance: 5 },
      { time: 1, balance: 3 },
      { time: 2, balance: 9 },
    ]);
    const range = { first: 5n, last: 9n, least: 3n, most: 9n };
    expect(balanceRange(entries([5, 3, 9]))).toEqual(range);
  });

  test("entries of one instant, such as a batch's, are one step", () => {
    const batch = Array.from({ length: 3_828 }, (_, at) => {
      const createTime = timestampFromMs(at < 3_827 ? 5 : 6);
      return entryOf({ balanceAfter: BigInt(at), createTime });
    });
    expect(balanceSteps(batch.toReversed())).toEqual([
      { time: 5, balance: 3_826 },
      { time: 6, balance: 3_827 },
    ]);
  });

  test("many are thinned, and keep their extremes and their order", () => {
    const balances = Array.from({ length: 20_000 }, (_, at) => (at === 14_321 ? 9_999 : at % 100));
    const steps = balanceSteps(entries(balances));
    expect(steps.length).toBeLessThanOrEqual(600);
    expect(steps.map(({ balance }) => balance)).toContain(9_999);
    expect(steps.at(-1)).toEqual({ time: 19_999, balance: 99 });
    expect(steps.map(({ time }) => time)).toEqual(
      steps.map(({ time }) => time).toSorted((a, b) => a - b),
    );
  });
});

describe("a statement as CSV", () => {
  const entry = entryOf({
    userId: "=ada",
    sequence: 9_007_199_254_740_993n,
    kind: EntryKind.CONSUME,
    points: 37n,
    createTime: { seconds: 1_767_225_600n, nanos: 123_456_000 },
    metadata: { note: 'a "quoted", value\nof two lines' },
    actor: "-2+3",
    member: "\tLi",
    caller: "@app",
    cause: "+1",
    usage: { service: "tts", amount: { case: "quantity", value: 3n } },
    hash: Uint8Array.of(0, 171),
  });

  test("its columns are the API's, its times ISO, its numbers whole", () => {
    const [row] = parse<Row>(csvHead() + csvLine(entry), { bom: true, columns: true });
    expect(row).toMatchObject({
      sequence: "9007199254740993",
      kind: "CONSUME",
      points: "37",
      create_time: "2026-01-01T00:00:00.123456Z",
      balance_after: "",
      metadata: '{"note":"a \\"quoted\\", value\\nof two lines"}',
      "usage.service": "tts",
      "usage.quantity": "3",
      hash: "00ab",
    });
    expect(Object.keys(row!)).not.toContain("salt");
    expect(Object.keys(row!)).not.toContain("personal_digest");
  });

  test("no spreadsheet takes a cell for a formula", () => {
    const [row] = parse<Row>(csvHead() + csvLine(entry), { bom: true, columns: true });
    const { user_id, actor, member, caller, cause } = row!;
    const texts = [user_id, actor, member, caller, cause];
    expect(texts).toEqual(["'=ada", "'-2+3", "'\tLi", "'@app", "'+1"]);
  });
});

type Row = Record<string, string>;

describe("the filters in the address", () => {
  test("the last day is one of the statement, in the browser's time zone", () => {
    const { startTime, endTime } = requestOf({ user: "ada", from: "2026-11-28", to: "2026-11-28" });
    expect(timestampDate(startTime!)).toEqual(new Date(2026, 10, 28));
    expect(timestampDate(endTime!)).toEqual(new Date(2026, 10, 29));
  });

  test("a year is the one that is written, also before 100", () => {
    const { startTime, endTime } = requestOf({ user: "ada", from: "0099-12-31", to: "0099-12-31" });
    expect(timestampDate(startTime!).getFullYear()).toBe(99);
    expect(timestampDate(endTime!).getFullYear()).toBe(100);
    expect(requestOf({ user: "ada", to: "9999-12-31" }).endTime).toBeUndefined();
  });

  test.each(["2026-02-30", "yesterday", "2026-1-1", ""])("%j is no day, and left out", (from) => {
    expect(requestOf({ user: "ada", from }).startTime).toBeUndefined();
  });

  test("kinds are known by their names, others are left out", () => {
    const { kinds } = requestOf({ user: "ada", kind: "SETTLE,CONSUME,NOTHING,UNSPECIFIED" });
    expect(kinds).toEqual([EntryKind.CONSUME, EntryKind.SETTLE]);
  });

  test("days leave no entry out between those that they find, others do", () => {
    expect(hasGaps({ from: "2026-11-28", to: "2026-11-29" })).toBe(false);
    expect(hasGaps({ member: "Li" })).toBe(true);
    expect(hasGaps({ kind: "EXPIRE" })).toBe(true);
  });

  test("a kind is read in whatever case, and one that is none leaves nothing out", () => {
    const { kinds } = requestOf({ user: "ada", kind: "expire,Refund,lost" });
    expect(kinds).toEqual([EntryKind.EXPIRE, EntryKind.REFUND]);
    expect(unknownKinds("expire,Refund,lost")).toEqual(["lost"]);
    expect(hasGaps({ kind: "lost" })).toBe(false);
  });
});

test.each([
  [{ for: "a video", job: "7" }, "a video"],
  [{ job: "7", reason: "it failed" }, "it failed"],
  [{ a: "1", b: "2", c: "3" }, "a: 1, b: 2, …"],
  [{}, ""],
  [{ for: "𝒳".repeat(90) }, `${"𝒳".repeat(80)}…`],
])("metadata %j is %j in short", (metadata, short) => {
  expect(shortMetadata(metadata)).toBe(short);
});
