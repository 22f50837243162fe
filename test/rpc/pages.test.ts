import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { EntryKind, type Hold, HoldState, type Lot } from "../../gen/points/v1/account_pb.ts";
import { LOT_CURSOR, SEQUENCE_CURSOR } from "../../src/rpc/page-cursors.ts";
import { keyOnce } from "../../src/rpc/page-token.ts";
import { testDatabase } from "../support/database.ts";
import { expectEquations } from "../support/equations.ts";
import { refusalOf } from "../support/error-info.ts";
import { makeDue } from "../support/priced-server.ts";
import { points, ttl } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

const INT64_MAX = 2n ** 63n - 1n;

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(async () => {
  await expectEquations(server.database);
  await server.stop();
});

describe("ListLots", () => {
  test.each([1, 2, 3, 7, 100])("has the lots in burn order, in pages of %i", async (pageSize) => {
    const userId = `burn-${pageSize}`;
    const recharges = [
      [5, undefined],
      [0, 9_000],
      [5, 7_000],
      [0, undefined],
      [0, undefined],
      [0, 8_000],
      [5, 7_000],
      [1000, 6_000],
      [0, 6_000],
      [5, 7_000],
    ] as const;
    for (const [priority, seconds] of recharges) {
      const expireTime = { seconds: 4_000_000_000n + BigInt(seconds ?? 0), nanos: 1_000 };
      const expiration =
        seconds === undefined
          ? ({ case: undefined } as const)
          : ({ case: "expireTime", value: expireTime } as const);
      await server.client.recharge({ userId, points: 10n, priority, expiration });
    }
    const lots = await allLots(userId, pageSize);
    const order = [9n, 6n, 2n, 4n, 5n, 3n, 7n, 10n, 1n, 8n];
    expect(lots.map(({ number }) => number)).toEqual(order);
    expect(lots[0]).toMatchObject({
      points: 10n,
      remaining: 10n,
      frozen: 0n,
      priority: 0,
      expireTime: { seconds: 4_000_006_000n, nanos: 1_000 },
    });
    expect(lots[3]!.expireTime).toBeUndefined();

    // And in that order they burn; what is spent is no longer there.
    const { entry } = await server.client.consume({ userId, cost: points(95n) });
    expect(entry!.allocations.map(({ lot }) => lot)).toEqual(order);
    expect(await allLots(userId, pageSize)).toMatchObject([{ number: 8n, remaining: 5n }]);
  });

  test("has lots past their time only for what holds have of them", async () => {
    const userId = "due-lots";
    const expiration = ttl(3_600_000);
    await server.client.recharge({ userId, points: 10n, expiration });
    await server.client.recharge({ userId, points: 10n, expiration });
    await server.client.recharge({ userId, points: 10n });
    await server.client.freeze({ userId, cost: points(4n) });
    expect(await allLots(userId, 50)).toMatchObject([
      { number: 1n, remaining: 6n, frozen: 4n },
      { number: 2n, remaining: 10n, frozen: 0n },
      { number: 3n, remaining: 10n },
    ]);
    for (const number of [1n, 2n]) await makeDue(server.database, "lot", userId, number);
    const after = [
      { number: 1n, points: 10n, remaining: 0n, frozen: 4n },
      { number: 3n, points: 10n, remaining: 10n, frozen: 0n },
    ];
    expect(await allLots(userId, 50)).toMatchObject(after);
    expect(await allLots(userId, 1)).toMatchObject(after);
    // Nothing was booked by reading, and booking changes nothing of it.
    expect((await server.client.listEntries({ userId })).entries).toHaveLength(4);
    await server.client.getOrCreate({ userId });
    expect(await allLots(userId, 50)).toMatchObject(after);
  });

  test("goes on after the place where it was, though lots come and go", async () => {
    const userId = "moving-lots";
    for (let n = 0; n < 6; n += 1) await server.client.recharge({ userId, points: 10n });
    const first = await server.client.listLots({ userId, pageSize: 3 });
    await server.client.recharge({ userId, points: 10n, priority: 1 });
    await server.client.consume({ userId, cost: points(45n) });
    const pageToken = first.nextPageToken;
    const second = await server.client.listLots({ userId, pageSize: 3, pageToken });
    expect(first.lots.map(({ number }) => number)).toEqual([1n, 2n, 3n]);
    expect(second.lots.map(({ number }) => number)).toEqual([5n, 6n, 7n]);
  });
});

describe("ListHolds", () => {
  test("has the newest first, open or closed, in pages", async () => {
    const userId = "holds";
    const { client } = server;
    await client.recharge({ userId, points: 100n });
    for (let n = 0; n < 4; n += 1) await client.freeze({ userId, cost: points(10n) });
    await client.settle({ userId, hold: 3n, cost: points(4n) });
    await client.release({ userId, hold: 4n });
    for (const pageSize of [0, 1, 3, 4]) {
      const holds = await allHolds({ userId, pageSize });
      expect(holds).toMatchObject([
        { number: 5n, points: 10n, settled: 0n, state: HoldState.OPEN },
        { number: 4n, points: 10n, settled: 0n, state: HoldState.RELEASED },
        { number: 3n, points: 10n, settled: 4n, state: HoldState.SETTLED },
        { number: 2n, points: 10n, settled: 0n, state: HoldState.OPEN },
      ]);
      expect(holds[2]!.allocations).toMatchObject([{ lot: 1n, points: 10n }]);
      const open = await allHolds({ userId, pageSize, openOnly: true });
      expect(open).toEqual([holds[0], holds[3]]);
    }
  });

  test("shows a hold past its time as expired, booked or not", async () => {
    const userId = "due-holds";
    const { client } = server;
    await client.recharge({ userId, points: 100n });
    const { hold } = await client.freeze({ userId, cost: points(10n), expiration: ttl(3_600_000) });
    await client.freeze({ userId, cost: points(20n) });
    const expireTime = await makeDue(server.database, "hold", userId, 2n);
    const expected = [
      { number: 3n, state: HoldState.OPEN },
      { ...hold, expireTime, state: HoldState.EXPIRED },
    ];
    expect(await allHolds({ userId })).toMatchObject(expected);
    expect(await allHolds({ userId, openOnly: true })).toMatchObject([{ number: 3n }]);
    const [row] = await server.database.query(
      "select status from points.hold where user_id = $1 and number = 2",
      [userId],
    );
    expect(row).toEqual({ status: "open" });
    await client.getOrCreate({ userId });
    expect(await allHolds({ userId })).toMatchObject(expected);
  });
});

describe("a page token", () => {
  beforeAll(async () => {
    for (const userId of ["ada", "bob"]) {
      await server.client.recharge({ userId, points: 100n });
      await server.client.recharge({ userId, points: 100n, expiration: ttl(3_600_000) });
      for (let n = 0; n < 4; n += 1) await server.client.freeze({ userId, cost: points(1n) });
    }
  });
  type Page = { userId?: string; pageToken?: string; pageSize?: number };
  const rpcs = {
    ListEntries: (page: Page) => server.client.listEntries({ ...ADA, ...page }),
    "ListEntries of a kind": (page: Page) =>
      server.client.listEntries({ ...ADA, kinds: [EntryKind.FREEZE], ...page }),
    "ListEntries from a time": (page: Page) =>
      server.client.listEntries({ ...ADA, startTime: { seconds: 1n, nanos: 0 }, ...page }),
    "ListEntries to a time": (page: Page) =>
      server.client.listEntries({ ...ADA, endTime: { seconds: 9_999_999_999n }, ...page }),
    ListLots: (page: Page) => server.client.listLots({ ...ADA, ...page }),
    ListHolds: (page: Page) => server.client.listHolds({ ...ADA, ...page }),
    "ListHolds of open ones": (page: Page) =>
      server.client.listHolds({ ...ADA, openOnly: true, ...page }),
  };
  const names = Object.keys(rpcs) as (keyof typeof rpcs)[];
  const ADA = { userId: "ada", pageSize: 1 };
  const tokenOf = async (name: keyof typeof rpcs) => (await rpcs[name]({})).nextPageToken;
  const INVALID = {
    code: "InvalidArgument",
    reason: "PAGE_TOKEN_INVALID",
    outcome: "NOT_APPLIED",
    fields: ["page_token"],
  };

  test.each(names)("of %s leads on there, and nowhere else", async (name) => {
    const pageToken = await tokenOf(name);
    expect(pageToken).not.toBe("");
    await rpcs[name]({ pageToken });
    await rpcs[name]({ pageToken, pageSize: 3 });
    expect(await refusalOf(rpcs[name]({ pageToken, userId: "bob" }))).toMatchObject(INVALID);
    expect(await refusalOf(rpcs[name]({ pageToken, userId: "nobody" }))).toMatchObject(INVALID);
    for (const other of names.filter((one) => one !== name)) {
      expect(await refusalOf(rpcs[other]({ pageToken }))).toMatchObject(INVALID);
    }
  });

  const garbage = [
    "a",
    "????",
    "null",
    "AAAA",
    Buffer.from("[]").toString("base64url"),
    Buffer.from("{}").toString("base64url"),
    Buffer.from("null").toString("base64url"),
    Buffer.from('["",1]').toString("base64url"),
    Buffer.from('[{"toString":1},{"valueOf":1}]').toString("base64url"),
    Buffer.from("[".repeat(190)).toString("base64url"),
    "\u{1f642}",
    " ",
    "%00",
  ];
  test.each(names)("of %s that is garbage is refused", async (name) => {
    for (const pageToken of garbage) {
      const refusal = await refusalOf(rpcs[name]({ pageToken }));
      expect([pageToken, refusal]).toMatchObject([pageToken, INVALID]);
    }
  });

  test.each(names)("of %s that is cut short is refused", async (name) => {
    const token = await tokenOf(name);
    for (let length = token.length - 2; length > 0; length -= 5) {
      const pageToken = token.slice(0, length);
      expect(await refusalOf(rpcs[name]({ pageToken }))).toMatchObject(INVALID);
    }
    const pageToken = token.slice(1);
    expect(await refusalOf(rpcs[name]({ pageToken }))).toMatchObject(INVALID);
  });

  const HASH_BYTES = 16;
  const large = [INT64_MAX, INT64_MAX + 1n, 10n ** 40n].map(String);
  const places = ["1", "-1", "", "x", "abc", "1.5", "1e3", "0x10", "0::1", "0:x:1", ...large];
  test.each(names)("of %s with a place that was forged is refused", async (name) => {
    const bytes = Buffer.from(await tokenOf(name), "base64url");
    for (const forged of places) {
      const text = Buffer.from(forged);
      const outsiders = [
        bytes.subarray(0, HASH_BYTES),
        createHash("sha256").update(text).digest().subarray(0, HASH_BYTES),
        Buffer.alloc(HASH_BYTES),
      ];
      for (const hash of outsiders) {
        const pageToken = Buffer.concat([hash, text]).toString("base64url");
        const refusal = await refusalOf(rpcs[name]({ pageToken }));
        expect([forged, refusal]).toMatchObject([forged, INVALID]);
      }
    }
  });

  test.each(["", " ", "=", ".", "\n"])("with %j behind it is refused", async (more) => {
    const pageToken = (await tokenOf("ListHolds")) + (more === "" ? "A" : more);
    expect(await refusalOf(rpcs.ListHolds({ pageToken }))).toMatchObject(INVALID);
  });

  test("is good for another server of the ledger, and for none of another ledger", async () => {
    const sibling = await testServer({}, server.database);
    const database = await testDatabase();
    // Those of tests are copies of one.
    await database.query("update points.page_key set key = sha256('another')");
    const stranger = await testServer({}, database);
    onTestFinished(async () => {
      await Promise.all([sibling.stop(), stranger.stop()]);
      await database.close();
    });
    await stranger.client.recharge({ userId: "ada", points: 1n });
    const pageToken = await tokenOf("ListLots");
    const page = { ...ADA, pageToken };
    expect(await sibling.client.listLots(page)).toEqual(await server.client.listLots(page));
    expect(await refusalOf(stranger.client.listLots(page))).toMatchObject(INVALID);
  });

  test("whose key could not be read once is no matter the next time", async () => {
    let reads = 0;
    const key = keyOnce(async () => {
      reads += 1;
      if (reads === 1) throw new Error("the database is away");
      return new Uint8Array(32);
    });
    await expect(key()).rejects.toThrow("away");
    await key();
    await key();
    expect(reads).toBe(2);
  });
});

describe("the place in a page token", () => {
  test("is read as it was written", () => {
    const sequences = [1n, 17n, 10n ** 17n];
    expect(sequences.map((place) => SEQUENCE_CURSOR.read(SEQUENCE_CURSOR.write(place)))).toEqual(
      sequences,
    );
    const lots = [
      { ...lotPlace(1000, 253_402_300_799_999_999n), isScoped: true },
      { ...lotPlace(0, null), isScoped: false },
    ];
    expect(lots.map((place) => LOT_CURSOR.read(LOT_CURSOR.write(place)))).toEqual(lots);
  });

  test.each(["", "0", "-1", "01", "1.5", "1e3", "0x10", "abc", "1:", "9".repeat(19), " 1"])(
    "is no sequence if it is %j",
    (text) => expect(SEQUENCE_CURSOR.read(text)).toBeUndefined(),
  );

  const places = ["x:1::1", "0:1:x:1", "0:1::x", "0:1::0", "0:1::-1", "10000:1::1", "0:1:1:1:1"];
  const others = ["", "1", "0:1", "0:1::1", "0:1::1:0", "0:1::1:x", "0:1::1:1:1"];
  test.each([...places, "0:2::1", "0::1"].map((place) => `${place}:4`).concat(others))(
    "is no lot's if it is %j",
    (text) => expect(LOT_CURSOR.read(text)).toBeUndefined(),
  );

  function lotPlace(priority: number, expireTime: bigint | null) {
    return { priority, expireTime, number: 3n, sequence: 4n };
  }
});

describe("a page ends early where its entries or holds are of hundreds of lots", () => {
  const [LOTS, HOLDS, PAGE_MAX_LOTS] = [400, 50, 16_384];

  test("and nothing is left out or shown twice", async () => {
    const userId = "wide";
    const recharge = { case: "recharge", value: { userId, points: 1n } } as const;
    const freeze = { case: "freeze", value: { userId, cost: points(BigInt(LOTS)) } } as const;
    const release = (hold: number) =>
      ({ case: "release", value: { userId, hold: BigInt(hold) } }) as const;
    const { results } = await server.client.applyBatch({
      operations: [
        ...Array.from({ length: LOTS }, () => ({ operation: recharge })),
        ...Array.from({ length: HOLDS }, (_, n) => [
          { operation: freeze },
          { operation: release(LOTS + 1 + 2 * n) },
        ]).flat(),
      ],
    });
    expect(results.every(({ result }) => result.case !== "error")).toBe(true);
    const sizes: number[] = [];
    const sequences: bigint[] = [];
    let pageToken = "";
    do {
      const page = await server.client.listEntries({ userId, pageSize: 1_000, pageToken });
      sizes.push(page.entries.reduce((sum, { allocations }) => sum + allocations.length, 0));
      sequences.push(...page.entries.map(({ sequence }) => sequence));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    const all = Array.from({ length: LOTS + 2 * HOLDS }, (_, n) => BigInt(LOTS + 2 * HOLDS - n));
    expect(sequences).toEqual(all);
    expect(Math.max(...sizes)).toBeLessThan(PAGE_MAX_LOTS + LOTS);
    const first = await server.client.listHolds({ userId, pageSize: 1_000 });
    expect(first.holds.length).toBeLessThan(HOLDS);
    const holds = await allHolds({ userId, pageSize: 1_000 });
    expect(holds.map(({ number }) => number)).toEqual(
      all.filter((sequence) => sequence > LOTS && (sequence - BigInt(LOTS)) % 2n === 1n),
    );
  });
});

test("a page ends early where extensions are of a hold of hundreds of lots", async () => {
  const userId = "extended";
  const recharge = { case: "recharge", value: { userId, points: 1n } } as const;
  const freeze = { case: "freeze", value: { userId, cost: points(400n) } } as const;
  const extend = {
    case: "extendHold",
    value: { userId, hold: 502n, more: points(1n) },
  } as const;
  const { results } = await server.client.applyBatch({
    operations: [
      ...Array.from({ length: 501 }, () => ({ operation: recharge })),
      { operation: freeze },
      ...Array.from({ length: 60 }, () => ({ operation: extend })),
    ],
  });
  expect(results.every(({ result }) => result.case !== "error")).toBe(true);
  const sizes: number[] = [];
  const sequences: bigint[] = [];
  let pageToken = "";
  do {
    const page = await server.client.listEntries({ userId, pageSize: 1_000, pageToken });
    sizes.push(page.entries.length);
    sequences.push(...page.entries.map(({ sequence }) => sequence));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  // The server reads what each extension answers a repeat with: more than 400 lots.
  expect(sizes[0]).toBeLessThan(42);
  expect(sequences).toEqual(Array.from({ length: 562 }, (_, n) => BigInt(562 - n)));
});

async function allLots(userId: string, pageSize: number): Promise<Lot[]> {
  const all: Lot[] = [];
  let pageToken = "";
  do {
    const page = await server.client.listLots({ userId, pageSize, pageToken });
    all.push(...page.lots);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}

async function allHolds(request: {
  userId: string;
  pageSize?: number;
  openOnly?: boolean;
}): Promise<Hold[]> {
  const all: Hold[] = [];
  let pageToken = "";
  do {
    const page = await server.client.listHolds({ ...request, pageToken });
    all.push(...page.holds);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}
