import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import type { ListEntriesRequestSchema, OperationSchema } from "../../gen/points/v1/points_pb.ts";
import { refusalOf } from "../support/error-info.ts";
import { bySequence, points, ttl, use } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

type ListEntries = MessageInitShape<typeof ListEntriesRequestSchema>;

const INT64_MAX = 2n ** 63n - 1n;

const byRequest = (value: string) => ({ case: "requestId", value }) as const;

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

describe("ListEntries", () => {
  test("neither skips nor repeats an entry while new ones are being written", async () => {
    const userId = "busy";
    await charges(userId, 300);
    let isOver = false;
    let written = 0;
    const writers = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        await server.client.recharge({ userId, points: 1n });
        written += 1;
      }
    });
    const sequences = (await allEntries({ userId, pageSize: 7 })).map(({ sequence }) => sequence);
    isOver = true;
    await Promise.all(writers);
    expect(written).toBeGreaterThan(0);
    expect(sequences.length).toBeGreaterThanOrEqual(300);
    expect(sequences).toEqual(sequences.map((_, n) => sequences[0]! - BigInt(n)));
    expect(sequences.at(-1)).toBe(1n);
  });

  test("gives each entry as its call answered it, the newest first", async () => {
    const userId = "answers";
    const metadata = { b: "1", a: "2" };
    const { client } = server;
    const answers = [
      await client.recharge({ userId, points: 9n, requestId: "r1", metadata, priority: 3 }),
      await client.freeze({ userId, cost: points(5n) }),
      await client.settle({ userId, hold: 2n, cost: points(3n) }),
      await client.refund({ userId, sequence: 3n }),
      await client.freeze({ userId, cost: points(5n) }),
      await client.release({ userId, hold: 5n }),
      await client.consume({ userId, cost: points(1n) }),
      await client.expire({ userId, target: points(2n) }),
    ];
    const { entries, nextPageToken } = await client.listEntries({ userId });
    expect(nextPageToken).toBe("");
    expect(entries).toEqual(answers.map(({ entry }) => entry).toReversed());
  });

  test.each([
    [0, 50],
    [1, 1],
    [50, 50],
    [999, 999],
    [1000, 1000],
    [1001, 1000],
    [5000, 1000],
    [2 ** 31 - 1, 1000],
  ])("with page_size %i gives %i entries", async (pageSize, count) => {
    await longHistory();
    const { entries, nextPageToken } = await server.client.listEntries({ userId: LONG, pageSize });
    expect(entries).toHaveLength(count);
    expect(entries[0]!.sequence).toBe(5_600n);
    expect(nextPageToken).not.toBe("");
  });

  test("may change its page size from page to page", async () => {
    await longHistory();
    const sizes = [1, 1000, 0, 3, 5000, 10];
    const found: bigint[] = [];
    let pageToken = "";
    for (const pageSize of sizes) {
      const page = await server.client.listEntries({ userId: LONG, pageSize, pageToken });
      found.push(...page.entries.map(({ sequence }) => sequence));
      pageToken = page.nextPageToken;
    }
    expect(found).toEqual(Array.from({ length: 2_064 }, (_, n) => 5_600n - BigInt(n)));
  });

  test("with a page exactly as long as the journal ends", async () => {
    await charges("exact", 10);
    expect(await allEntries({ userId: "exact", pageSize: 10 })).toHaveLength(10);
    expect(await allEntries({ userId: "exact", pageSize: 5 })).toHaveLength(10);
  });

  test("finds what it is asked for behind more entries than a page looks at", async () => {
    await longHistory();
    const kinds = [EntryKind.RECHARGE];
    const first = await server.client.listEntries({ userId: LONG, kinds, pageSize: 10 });
    expect(first.entries).toEqual([]);
    expect(first.nextPageToken).not.toBe("");
    const all = await allEntries({ userId: LONG, kinds, pageSize: 10 });
    expect(all.map(({ sequence }) => sequence)).toEqual([1n]);
    expect(await allEntries({ userId: LONG, kinds: [EntryKind.REFUND] })).toEqual([]);
  });

  test("keeps to the kinds that it is asked for", async () => {
    const userId = "kinds";
    const { client } = server;
    for (let n = 0; n < 5; n += 1) {
      await client.recharge({ userId, points: 9n });
      await client.consume({ userId, cost: points(1n) });
      await client.freeze({ userId, cost: points(1n) });
      await client.release({ userId, hold: BigInt(4 * n + 3) });
    }
    const sequencesOf = async (...kinds: EntryKind[]) =>
      (await allEntries({ userId, kinds, pageSize: 2 })).map(({ sequence }) => sequence);
    expect(await sequencesOf(EntryKind.CONSUME)).toEqual([18n, 14n, 10n, 6n, 2n]);
    expect(await sequencesOf(EntryKind.FREEZE, EntryKind.RELEASE)).toEqual([
      20n,
      19n,
      16n,
      15n,
      12n,
      11n,
      8n,
      7n,
      4n,
      3n,
    ]);
    expect(await sequencesOf(EntryKind.SETTLE)).toEqual([]);
    expect(await sequencesOf(EntryKind.RECHARGE, EntryKind.RECHARGE)).toHaveLength(5);
    expect(await sequencesOf()).toHaveLength(20);
  });

  test("keeps to the service and the actor that it is asked for, from page to page", async () => {
    const userId = "asked";
    const { client } = server;
    await client.recharge({ userId, points: 99n });
    for (let n = 0; n < 3; n += 1) {
      await client.consume({ userId, cost: use({ service: "script" }), actor: "Ana 🛠" });
      await client.consume({ userId, cost: use({ service: "title" }) });
      await client.consume({ userId, cost: points(1n), actor: "Ana 🛠" });
    }
    const sequencesOf = async (filter: ListEntries) =>
      (await allEntries({ userId, pageSize: 2, ...filter })).map(({ sequence }) =>
        Number(sequence),
      );
    expect(await sequencesOf({ service: "script" })).toEqual([8, 5, 2]);
    expect(await sequencesOf({ actor: "Ana 🛠" })).toEqual([10, 8, 7, 5, 4, 2]);
    expect(await sequencesOf({ service: "script", actor: "Ana 🛠" })).toEqual([8, 5, 2]);
    expect(await sequencesOf({ service: "title", actor: "Ana 🛠" })).toEqual([]);
    expect(await sequencesOf({ actor: "Ana" })).toEqual([]);
    // A token is good for the request that it was made for.
    const filter = { userId, pageSize: 2, service: "script" };
    const { nextPageToken: pageToken } = await client.listEntries(filter);
    const other = client.listEntries({ ...filter, service: "title", pageToken });
    expect(await refusalOf(other)).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
    const another = client.listEntries({ ...filter, actor: "Ana 🛠", pageToken });
    expect(await refusalOf(another)).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
  });

  test("keeps to the times that it is asked for, to the microsecond", async () => {
    const userId = "times";
    for (let n = 0; n < 6; n += 1) await server.client.recharge({ userId, points: 1n });
    const all = (await allEntries({ userId })).toReversed();
    const timeOf = (n: number): Timestamp => all[n]!.createTime!;
    const between = async (startTime?: Timestamp, endTime?: Timestamp) => {
      const start = startTime === undefined ? {} : { startTime };
      const end = endTime === undefined ? {} : { endTime };
      const found = await allEntries({ userId, ...start, ...end, pageSize: 2 });
      return found.map(({ sequence }) => Number(sequence));
    };
    expect(await between(timeOf(2))).toEqual([6, 5, 4, 3]);
    expect(await between(undefined, timeOf(2))).toEqual([2, 1]);
    expect(await between(timeOf(1), timeOf(3))).toEqual([3, 2]);
    expect(await between(timeOf(3), timeOf(3))).toEqual([]);
    expect(await between(timeOf(3), timeOf(1))).toEqual([]);
    const { seconds, nanos } = timeOf(2);
    const after = nanos + 1000 < 1_000_000_000;
    expect(await between(after ? { ...timeOf(2), nanos: nanos + 1000 } : timeOf(3))).toEqual([
      6, 5, 4,
    ]);
    const year = { ...timeOf(0), nanos: 0 };
    expect(await between({ ...year, seconds: -62_135_596_800n })).toHaveLength(6);
    expect(await between({ ...year, seconds: seconds + 9n })).toEqual([]);
    expect(await between(undefined, { ...year, seconds: 253_402_300_799n })).toHaveLength(6);
  });

  const at = (seconds: bigint, nanos = 0) => ({ seconds, nanos });
  test.each<[string, ListEntries, string]>([
    ["a negative page_size", { pageSize: -1 }, "page_size"],
    ["the smallest page_size", { pageSize: -(2 ** 31) }, "page_size"],
    ["an unspecified kind", { kinds: [EntryKind.UNSPECIFIED] }, "kinds[0]"],
    ["a kind that there is not", { kinds: [EntryKind.CONSUME, 99 as EntryKind] }, "kinds[1]"],
    ["twelve kinds", { kinds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1] }, "kinds"],
    ["a start in the year 10000", { startTime: at(253_402_300_800n) }, "start_time"],
    ["an end in the year 10000", { endTime: at(253_402_300_800n) }, "end_time"],
    ["a start before the year 1", { startTime: at(-62_135_596_801n) }, "start_time"],
    ["an end before the year 1", { endTime: at(-62_135_596_801n) }, "end_time"],
    ["a start far before the year 1", { startTime: at(-INT64_MAX - 1n) }, "start_time"],
    ["an end far before the year 1", { endTime: at(-INT64_MAX - 1n) }, "end_time"],
    ["a start of negative nanos", { startTime: at(5n, -1) }, "start_time"],
    ["an end of too many nanos", { endTime: at(5n, 1_000_000_000) }, "end_time"],
    ["a service with a space", { service: "a b" }, "service"],
    ["an actor of 129 characters", { actor: "é".repeat(129) }, "actor"],
    ["an actor with a line break", { actor: "a\nb" }, "actor"],
    ["a page_token of 257 bytes", { pageToken: "a".repeat(257) }, "page_token"],
  ])("refuses %s", async (_, request, field) => {
    await server.client.getOrCreate({ userId: "limits" });
    const call = server.client.listEntries({ userId: "limits", ...request });
    expect(await refusalOf(call)).toMatchObject({
      code: "InvalidArgument",
      reason: "FIELD_INVALID",
      outcome: "NOT_APPLIED",
      fields: [field],
    });
  });
});

describe("GetEntry", () => {
  test("gives the entry as its call answered it", async () => {
    const userId = "get";
    const { entry } = await server.client.recharge({ userId, points: 9n, requestId: "r1" });
    const answer = { entry, refunded: 0n, referringEntries: [] };
    expect(await server.client.getEntry({ userId, by: bySequence(1n) })).toMatchObject(answer);
    expect(await server.client.getEntry({ userId, by: byRequest("r1") })).toMatchObject(answer);
  });

  test("says what became of an entry since", async () => {
    const userId = "get-since";
    const { client } = server;
    await client.recharge({ userId, points: 20n });
    await client.freeze({ userId, cost: points(8n) });
    await client.settle({ userId, hold: 2n, cost: points(6n) });
    await client.refund({ userId, sequence: 3n, points: 1n });
    await client.consume({ userId, cost: points(1n) });
    await client.refund({ userId, sequence: 3n, points: 2n });
    const since = async (sequence: bigint) => {
      const answer = await client.getEntry({ userId, by: bySequence(sequence) });
      return [answer.refunded, answer.referringEntries];
    };
    expect(await since(1n)).toEqual([0n, []]);
    expect(await since(2n)).toEqual([0n, [3n]]);
    expect(await since(3n)).toEqual([3n, [6n, 4n]]);
    expect(await since(5n)).toEqual([0n, []]);
  });

  test("names at most 100 entries that are about it", async () => {
    const userId = "get-many";
    await server.client.recharge({ userId, points: 200n });
    await server.client.consume({ userId, cost: points(200n) });
    const value = { userId, sequence: 2n, points: 1n };
    const operations = Array.from({ length: 120 }, () => ({
      operation: { case: "refund", value } as const,
    }));
    await server.client.applyBatch({ operations });
    const answer = await server.client.getEntry({ userId, by: bySequence(2n) });
    const newest = Array.from({ length: 100 }, (_, n) => 122n - BigInt(n));
    expect(answer).toMatchObject({ refunded: 120n, referringEntries: newest });
  });

  test("finds by request id what was due, and nothing where there was nothing to do", async () => {
    const userId = "get-due";
    const due = { case: "due", value: true } as const;
    const { client } = server;
    await client.recharge({ userId, points: 4n, expiration: ttl(1) });
    // Until the lot is due there is nothing to take, and each of these names another request.
    for (let attempt = 0; ; attempt += 1) {
      const requestId = `due-${attempt}`;
      const { entry } = await client.expire({ userId, target: due, requestId });
      if (entry === undefined) continue;
      const answer = await client.getEntry({ userId, by: byRequest(requestId) });
      expect(answer.entry).toEqual(entry);
      break;
    }
    await client.expire({ userId, target: due, requestId: "nothing" });
    for (const requestId of ["nothing", "never"]) {
      const call = client.getEntry({ userId, by: byRequest(requestId) });
      expect(await refusalOf(call)).toMatchObject({
        code: "NotFound",
        reason: "ENTRY_NOT_FOUND",
        metadata: { request_id: requestId },
      });
    }
  });

  test("takes a number or a request id", async () => {
    const call = (by: Parameters<typeof server.client.getEntry>[0]["by"]) =>
      refusalOf(server.client.getEntry({ userId: "get", ...(by && { by }) }));
    expect(await call(undefined)).toMatchObject({ reason: "FIELD_INVALID", fields: ["by"] });
    const empty = await call(byRequest(""));
    expect(empty).toMatchObject({ reason: "FIELD_INVALID", fields: ["request_id"] });
  });

  test.each([2n, INT64_MAX])("finds no entry %i", async (sequence) => {
    await server.client.getOrCreate({ userId: "get-none" });
    const call = server.client.getEntry({ userId: "get-none", by: bySequence(sequence) });
    expect(await refusalOf(call)).toMatchObject({
      code: "NotFound",
      reason: "ENTRY_NOT_FOUND",
      metadata: { sequence: String(sequence) },
    });
  });

  test.each([0n, -1n, -INT64_MAX - 1n])("refuses entry %i", async (sequence) => {
    const call = server.client.getEntry({ userId: "get-none", by: bySequence(sequence) });
    expect(await refusalOf(call)).toMatchObject({ reason: "FIELD_INVALID", fields: ["sequence"] });
  });
});

describe("without an account", () => {
  const userId = "nobody";
  test.each<[string, () => Promise<unknown>]>([
    ["GetEntry", () => server.client.getEntry({ userId, by: bySequence(1n) })],
    ["ListEntries", () => server.client.listEntries({ userId })],
    ["ListEntries of a kind", () => server.client.listEntries({ userId, kinds: [1] })],
    ["ListLots", () => server.client.listLots({ userId })],
    ["ListHolds", () => server.client.listHolds({ userId })],
    ["ListHolds of open ones", () => server.client.listHolds({ userId, openOnly: true })],
  ])("%s is NOT_FOUND", async (_, call) => {
    expect(await refusalOf(call())).toMatchObject({
      code: "NotFound",
      reason: "ACCOUNT_NOT_FOUND",
      metadata: { user_id: userId },
    });
  });
});

test("an empty account has empty lists", async () => {
  const userId = "empty";
  await server.client.getOrCreate({ userId });
  const nextPageToken = "";
  expect(await server.client.listEntries({ userId })).toMatchObject({ entries: [], nextPageToken });
  expect(await server.client.listLots({ userId })).toMatchObject({ lots: [], nextPageToken });
  expect(await server.client.listHolds({ userId })).toMatchObject({ holds: [], nextPageToken });
});

const LONG = "long";
let longIsMade: Promise<void> | undefined;

/** An account whose first entry is a recharge, and all others charges: 5,600 together. */
function longHistory(): Promise<void> {
  longIsMade ??= charges(LONG, 5_600);
  return longIsMade;
}

/** Writes a journal with a number of entries: a recharge, then charges. */
async function charges(userId: string, count: number): Promise<void> {
  await server.client.recharge({ userId, points: 1_000_000n });
  for (let left = count - 1; left > 0; left -= 1000) {
    const operations = Array.from(
      { length: Math.min(left, 1000) },
      (): MessageInitShape<typeof OperationSchema> => ({
        operation: { case: "consume", value: { userId, cost: points(1n) } },
      }),
    );
    await server.client.applyBatch({ operations });
  }
}

/** All pages. */
async function allEntries(request: ListEntries): Promise<Entry[]> {
  const all: Entry[] = [];
  let pageToken = "";
  do {
    const page = await server.client.listEntries({ ...request, pageToken });
    all.push(...page.entries);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}
