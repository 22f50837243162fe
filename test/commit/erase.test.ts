import { toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Account,
  type Entry,
  EntryKind,
  EntrySchema,
  HoldState,
} from "../../gen/points/v1/account_pb.ts";
import type { StreamEntriesResponse } from "../../gen/points/v1/ledger_pb.ts";
import { CalendarUnit } from "../../gen/points/v1/policy_pb.ts";
import { verifyJournal } from "../../src/client/client.ts";
import { follow, newHeads } from "../../src/client/heads.ts";
import { erase } from "../../src/commit/erase.ts";
import { personalDigestOf } from "../../src/ledger/digests.ts";
import { slotOf } from "../../src/ledger/slot.ts";
import { verify } from "../../src/verify/verify.ts";
import { auditDatabase } from "../support/audit.ts";
import type { Command } from "../../src/ledger/command.ts";
import { DAY, daily } from "../support/allowances.ts";
import {
  consume,
  DUE,
  expire,
  freeze,
  named,
  open,
  putPolicy,
  recharge,
} from "../support/commands.ts";
import { assertUntil } from "../support/enough.ts";
import { commitAll } from "../support/commit-all.ts";
import { holdLock } from "../support/held-lock.ts";
import { NOW } from "../support/statement.ts";
import { TIMES } from "../support/times.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { randomYears } from "../support/random-years.ts";
import { creditLine, points, ttl } from "../support/requests.ts";
import { readRefusal, refusalOf } from "../support/error-info.ts";
import { projectAll } from "../support/projected.ts";
import { saltOf } from "../support/salts.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  server = await testServer({}, database);
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

const PERSONAL = ["order", "gift", "what-for", "actor", "bea", "cyd", "due-request"];
const secret = (of: string, word: string) => `${word}-of-${of}`;

/** An account with all that is personal, in all places. Its hold is entry 7. */
async function live(userId: string): Promise<void> {
  const { client } = server;
  const word = (one: string) => secret(userId, one);
  const said = { metadata: { [word("what-for")]: word("gift") }, actor: word("actor") };
  await client.getOrCreate({ userId });
  const day = { span: { case: "calendar", value: CalendarUnit.DAY } } as const;
  const each = { points: 90n, eachMember: true, window: day };
  const ofBea = { points: 80n, member: word("bea"), window: day };
  const put = (name: string, value: object) =>
    client.putPolicy({ userId, policy: { name, rule: { case: "limit", value } } as never });
  await put("each", each);
  await put("of-bea", ofBea);
  const made = { userId, requestId: word("order"), points: 100n, ...said };
  await client.recharge(made);
  await client.putPolicy({ userId, policy: creditLine(50n), requestId: `${word("order")}-2` });
  await client.consume({ userId, cost: points(10n), member: word("bea"), ...said });
  await client.consume({ userId, cost: points(5n), member: word("cyd") });
  await client.freeze({ userId, cost: points(20n), member: word("bea"), expiration: ttl(1e9) });
  await client.expire({
    userId,
    target: { case: "due", value: true },
    requestId: word("due-request"),
  });
}

function hashOf({ hash, personalDigest }: Entry): string {
  return Buffer.concat([hash, personalDigest]).toString("hex");
}

function figuresOf({ balance, frozen, totalConsumed, totalRecharged, debt }: Account) {
  return { balance, frozen, totalConsumed, totalRecharged, debt };
}

/** All rows of all tables, as texts. */
async function allRows(): Promise<string[]> {
  const tables = await database.query(
    "select tablename as name from pg_tables where schemaname = 'points'",
  );
  const rows: Record<string, unknown>[] = [];
  for (const { name } of tables) {
    rows.push(...(await database.query(`select one::text from points.${String(name)} as one`)));
  }
  return rows.map(({ one }) => String(one));
}

async function found(words: readonly (string | Uint8Array)[]): Promise<string[]> {
  const rows = await allRows();
  const texts = words.flatMap((word) => {
    const hex = Buffer.from(word).toString("hex");
    return typeof word === "string" ? [word, hex] : [hex];
  });
  return texts.filter((text) => rows.some((row) => row.includes(text)));
}

test("nothing personal is left in any table, and all is in order", async () => {
  await live("wilma");
  await projectAll(database);
  const salt = await saltOf(database, "wilma");
  const words = PERSONAL.map((word) => secret("wilma", word));
  const hexOfSalt = Buffer.from(salt).toString("hex");
  expect(await found([...words, salt])).toEqual([...words, hexOfSalt]);

  const erased = await erase(database.orm, "wilma");
  expect(erased).toEqual({ userId: expect.stringMatching(/^~erased-/), entries: 7, receipts: 2 });
  expect(await found([...words, salt, "wilma"])).toEqual([]);
  expect(slotOf(erased.userId)).toBe(slotOf("wilma"));
  expect(await auditDatabase(database.url)).toMatchObject({ accounts: 1 });
});

test("the entries, their digests and the chain stay as they were, and an ERASE entry follows", async () => {
  const { client } = server;
  await live("ann");
  const { account } = await client.getAccount({ userId: "ann" });
  const { entries: before } = await client.listEntries({ userId: "ann" });
  const { userId } = await erase(database.orm, "ann");
  const { entries: after } = await client.listEntries({ userId });
  const [erased, ...rest] = after;

  const renamed = (json: string) => {
    let members = 0;
    return json
      .replaceAll(userId, "ann")
      .replaceAll(/"member":"[^"]+"/g, () => `"member":"member ${(members += 1)}"`);
  };
  const shown = (entry: Entry) => {
    const values = { requestId: "", metadata: {}, actor: "" };
    return renamed(toJsonString(EntrySchema, { ...entry, ...values }));
  };
  expect(rest.map((entry) => renamed(toJsonString(EntrySchema, entry)))).toEqual(before.map(shown));
  expect(erased).toMatchObject({
    sequence: 8n,
    kind: EntryKind.ERASE,
    points: 0n,
    balanceAfter: account!.balance,
    frozenAfter: account!.frozen,
  });
  expect(Buffer.compare(erased!.erasedHash, before[0]!.hash)).toBe(0);
  const { account: now } = await client.getOrCreate({ userId });
  expect(now).toMatchObject({ ...figuresOf(account!), createTime: account!.createTime });
  expect(now!.salt).not.toEqual(account!.salt);
  await verifyJournal({ account: now!, entries: after.toReversed() });
});

test("an erased account goes on under its new name, with its holds, limits and refunds", async () => {
  const { client } = server;
  await live("amy");
  const asOf = (await client.getAccount({ userId: "amy" })).account!;
  const { userId } = await erase(database.orm, "amy");

  const { policies } = await client.listPolicies({ userId });
  expect(policies.map(({ policy, spent }) => [policy?.name, spent])).toEqual([
    ["credit", 0n],
    ["each", 0n],
    ["of-bea", 30n],
  ]);
  const [bea] = policies.flatMap(({ policy }) =>
    policy?.rule.case === "limit" ? [policy.rule.value.member].filter(Boolean) : [],
  );
  // Of the 80 points of this member's limit 30 are spent or set aside.
  const over = client.consume({ userId, cost: points(51n), member: bea! });
  expect(await refusalOf(over)).toMatchObject({ reason: "LIMIT_EXCEEDED" });
  const { entry } = await client.settle({ userId, hold: 7n, cost: points(15n) });
  expect(entry).toMatchObject({ member: bea, returned: 5n });
  const refunded = await client.refund({ userId, sequence: 5n, points: 4n });
  expect(refunded.account).toMatchObject({ balance: 74n });
  await client.consume({ userId, cost: points(59n), member: bea! });
  const { holds } = await client.listHolds({ userId });
  expect(holds).toMatchObject([{ number: 7n, state: HoldState.SETTLED, member: bea }]);
  const { account } = await client.getAccount({ userId, asOf: asOf.updateTime! });
  expect(figuresOf(account!)).toEqual(figuresOf(asOf));
  await auditDatabase(database.url);
});

test("the old name and its requests are free, and are of another account from then on", async () => {
  const { client } = server;
  await live("abe");
  const { userId } = await erase(database.orm, "abe");
  const notFound = { reason: "ACCOUNT_NOT_FOUND" };
  expect(await refusalOf(client.getAccount({ userId: "abe" }))).toMatchObject(notFound);
  const charge = client.consume({ userId: "abe", cost: points(1n) });
  expect(await refusalOf(charge)).toMatchObject(notFound);
  const by = { case: "requestId", value: secret("abe", "order") } as const;
  expect(await refusalOf(client.getEntry({ userId, by }))).toMatchObject({
    reason: "ENTRY_NOT_FOUND",
  });
  const again = { requestId: by.value, points: 7n };
  const [made, other] = [
    await client.recharge({ userId: "abe", ...again }),
    await client.recharge({ userId, ...again }),
  ];
  expect(made).toMatchObject({ replayed: false, entry: { sequence: 1n } });
  expect(other).toMatchObject({ replayed: false, entry: { sequence: 9n } });
  expect(await client.recharge({ userId, ...again })).toMatchObject({
    replayed: true,
    entry: other.entry,
  });
  await auditDatabase(database.url);
});

test("the stream tells it, and has the entries of before under the new name", async () => {
  const { client } = server;
  await live("art");
  const read = async (cursor: string, isLast: (message: StreamEntriesResponse) => boolean) => {
    const ending = new AbortController();
    const stream = client.streamEntries({ cursor }, { signal: ending.signal });
    const messages = stream[Symbol.asyncIterator]();
    const entries: Entry[] = [];
    for (;;) {
      const { value } = await messages.next();
      const message = value as StreamEntriesResponse;
      entries.push(...message.entries);
      if (!isLast(message)) continue;
      ending.abort();
      await messages.next().catch(() => {});
      return { entries, cursor: message.cursor };
    }
  };
  const isUpToDate = ({ caughtUpTo }: StreamEntriesResponse) => caughtUpTo !== undefined;
  const before = await read("0", isUpToDate);
  const ofArt = before.entries.filter(({ userId }) => userId === "art");
  const { userId } = await erase(database.orm, "art");
  const since = await read(before.cursor, ({ entries }) => entries.length > 0);
  const [told] = since.entries;
  expect(since.entries).toMatchObject([{ userId, kind: EntryKind.ERASE, sequence: 8n }]);
  expect(Buffer.compare(told!.erasedHash, ofArt.at(-1)!.hash)).toBe(0);

  const again = await read("0", isUpToDate);
  const ofErased = again.entries.filter((entry) => entry.userId === userId);
  expect(ofErased.map(hashOf)).toEqual([...ofArt, told!].map(hashOf));
  expect(again.entries).toHaveLength(before.entries.length + 1);

  // A reader who had come to the third of them finds by the fourth whose they are.
  const heads = newHeads();
  for (const entry of ofArt.slice(0, 3)) follow(heads, entry, PLACE);
  const [, , , fourth, fifth] = ofErased;
  expect(follow(heads, fourth!, PLACE).verdict).toEqual({ kind: "erased", formerUserId: "art" });
  expect(follow(heads, fifth!, PLACE).verdict).toEqual({ kind: "next" });
});

const PLACE = { epoch: 1n, feed: 1n };

test("a watch of the old name ends", async () => {
  const { client } = server;
  await client.recharge({ userId: "alf", points: 5n });
  const watch = client.watchAccount({ userId: "alf" })[Symbol.asyncIterator]();
  expect((await watch.next()).value).toMatchObject({ account: { balance: 5n } });
  await erase(database.orm, "alf");
  expect(await refusalOf(watch.next())).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
});

describe("all or nothing:", () => {
  test("of two erasures at once one wins", async () => {
    await live("ben");
    const both = [erase(database.orm, "ben"), erase(database.orm, "ben")];
    const [one, other] = await Promise.allSettled(both);
    const [won, lost] = one!.status === "fulfilled" ? [one, other] : [other, one];
    expect(won).toMatchObject({ value: { entries: 7 } });
    expect(lost).toMatchObject({ reason: { message: "there is no account ben" } });
    await auditDatabase(database.url);
  });

  test("an erasure that fails changes nothing", async () => {
    await live("bob");
    const rows = async () => (await allRows()).filter((row) => row.includes("bob")).toSorted();
    const before = await rows();
    await database.query(`create function points.fail() returns trigger language plpgsql
      as $$ begin raise exception 'no room'; end $$`);
    await database.query(`create trigger fail before update of salt on points.account
      execute function points.fail()`);
    await expect(erase(database.orm, "bob")).rejects.toThrow("no room");
    await database.query("drop function points.fail cascade");
    expect(await rows()).toEqual(before);
  });

  test("charges that wait for it find no account, and those before it are in its journal", async () => {
    const { client } = server;
    await client.recharge({ userId: "bea", points: 1000n });
    const lock = await holdLock(database, "bea");
    const erasing = erase(database.orm, "bea");
    await lock.awaited();
    const charging = Promise.allSettled(
      Array.from({ length: 20 }, () => client.consume({ userId: "bea", cost: points(1n) })),
    );
    await lock.release();
    const settled = await charging;
    const done = settled.filter(({ status }) => status === "fulfilled").length;
    const { userId, entries } = await erasing;
    expect(entries).toBe(1 + done);
    for (const one of settled) {
      if (one.status === "fulfilled") continue;
      expect(readRefusal(one.reason)).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
    }
    const { account } = await client.getAccount({ userId });
    expect(account).toMatchObject({ balance: BigInt(1000 - done) });
    await auditDatabase(database.url);
  });
});

describe("the new name", () => {
  test("keeps a prefix that is asked for, and sorts behind the old one", async () => {
    const { client } = server;
    const names = ["acme/cy", "acme/~cy", "acme/~~"];
    for (const userId of names) {
      await client.recharge({ userId, points: 1n });
      const erased = await erase(database.orm, userId, { prefix: "acme/" });
      expect(erased.userId).toMatch(/^acme\/~+erased-[\w-]{16}$/);
      expect(erased.userId > userId).toBe(true);
      expect(slotOf(erased.userId)).toBe(slotOf(userId));
    }
    const wrong = erase(database.orm, "acme/cy", { prefix: "acne/" });
    await expect(wrong).rejects.toThrow("acme/cy does not begin with acne/");
    const whole = erase(database.orm, "acme/cy", { prefix: "acme/cy" });
    await expect(whole).rejects.toThrow("is not longer");
    const long = erase(database.orm, "~".repeat(128));
    await expect(long).rejects.toThrow("longer than 128");
  });

  test("changes again with each erasure, and the digest of the first stays", async () => {
    const { client } = server;
    await live("cleo");
    const first = await nameDigestOf("cleo");
    const once = await erase(database.orm, "cleo");
    const mark = { requestId: "mark-of-cleo", actor: "actor-of-cleo" };
    await client.recharge({ userId: once.userId, points: 3n, ...mark });
    const twice = await erase(database.orm, once.userId);
    expect(twice).toMatchObject({ entries: 9 });
    expect(twice.userId > once.userId).toBe(true);
    const words = PERSONAL.map((word) => secret("cleo", word));
    expect(await found([...words, ...Object.values(mark), "cleo", once.userId])).toEqual([]);
    const [row] = await database.query(
      "select name_digest from points.account where user_id = $1",
      [twice.userId],
    );
    expect(row).toEqual({ name_digest: first });
    await auditDatabase(database.url);
  });
});

test("an account without entries is erased, too", async () => {
  const { client } = server;
  await client.getOrCreate({ userId: "dan" });
  const { userId } = await erase(database.orm, "dan");
  const { entries } = await client.listEntries({ userId });
  expect(entries).toMatchObject([{ kind: EntryKind.ERASE, sequence: 1n }]);
  expect(Buffer.from(entries[0]!.erasedHash)).toEqual(Buffer.alloc(32));
  await expect(erase(database.orm, "dan")).rejects.toThrow("there is no account dan");
  await auditDatabase(database.url);
});

test("what is due is booked before, and a long journal is erased as a whole", async () => {
  const of = (command: Command) => ({ ...command, userId: "eve" }) as Command;
  const clock = stoppedClock(NOW);
  await commitAll(database.orm, [of(recharge(9_000n))], { clock });
  for (let at = 0; at < 4; at += 1) {
    const charges = Array.from({ length: 250 }, (_, one) => [
      of(named(consume(1n), `job-of-eve-${at}-${one}`)),
      of(freeze(1n, 1_000n)),
    ]);
    await commitAll(database.orm, charges.flat(), { clock });
  }
  const later = stoppedClock(NOW + 5_000n);
  const erased = await erase(database.orm, "eve", { clock: later });
  expect(erased).toMatchObject({ entries: 1 + 2_000 + 1_000 });
  const [feeds] = await database.query(
    `select (max(feed) filter (where kind = 6) < max(feed))::text as before
    from points.entry where user_id = $1`,
    [erased.userId],
  );
  // Readers got it under the old name.
  expect(feeds).toEqual({ before: "true" });
  expect(await found(["job-of-eve", "eve"])).toEqual([]);
  await auditDatabase(database.url);
});

test("an allowance whose last periods nobody lived to see goes on behind them", async () => {
  const of = (command: Command) => ({ ...command, userId: "pam" }) as Command;
  const twoDays = putPolicy("plan", daily({ endTime: NOW + 2n * DAY }));
  await commitAll(database.orm, [of(twoDays)], { clock: stoppedClock(NOW) });
  const { userId } = await erase(database.orm, "pam", { clock: stoppedClock(NOW + 9n * DAY) });
  expect((await verify(database.orm, { userIds: [userId] })).wrong).toEqual([]);
});

test("whatever an account was before and is after, all is in order", async () => {
  let erased = 0;
  let runs = 0;
  await assertUntil(
    () => erased > 15 * TIMES,
    fc.asyncProperty(randomYears(12), randomYears(6), async (before, after) => {
      runs += 1;
      const nameOf = new Map<string, string>();
      let now = 1n;
      const run = async (steps: typeof before) => {
        for (const { laterBy, commands } of steps) {
          now += laterBy;
          const ofRun = commands.map((command) => {
            const name = `${command.userId}-of-${runs}`;
            return { ...command, userId: nameOf.get(name) ?? name };
          });
          await commitAll(database.orm, ofRun, { clock: stoppedClock(now) });
        }
      };
      await run(before);
      const accounts = await database.query(
        "select user_id from points.account where user_id like $1",
        [`%-of-${runs}`],
      );
      for (const { user_id: name } of accounts) {
        const { userId } = await erase(database.orm, String(name), { clock: stoppedClock(now) });
        nameOf.set(String(name), userId);
        erased += 1;
      }
      await run(after);
    }),
    5,
  );
  await auditDatabase(database.url);
});

describe("verify finds", () => {
  let own: TestDatabase;
  let users = 0;
  beforeAll(async () => {
    own = await testDatabase();
  });
  afterAll(() => own.close());

  test.each([
    {
      what: "an erasure that the account's row does not tell",
      erased: true,
      change: "update points.account set name_digest = null where user_id = $1",
      flaw: "the account has no name_digest",
    },
    {
      what: "a row that tells of an erasure that there was not",
      erased: false,
      change: "update points.account set name_digest = sha256('') where user_id = $1",
      flaw: "the account was never erased",
    },
    {
      what: "values that were erased behind the ledger's back",
      erased: false,
      change: `update points.entry set personal_digest = $2, request_id = null, metadata = null,
        actor = null where user_id = $1 and sequence = 3`,
      request: "job",
      flaw: "is erased, and no ERASE entry says so",
    },
    {
      what: "a digest of what was erased that is another",
      erased: true,
      change: `update points.entry set personal_digest = sha256('')
        where user_id = $1 and sequence = 3`,
      flaw: "has not the hash of its content and of the entry before",
    },
    {
      what: "a receipt that was erased behind the ledger's back",
      erased: false,
      change: `update points.receipt set personal_digest = $2, request_id = null
        where user_id = $1 and number = 2`,
      request: "due",
      flaw: "receipt 2 is erased, and the account never was",
    },
  ])("$what", async ({ erased, change, request, flaw }) => {
    users += 1;
    const first = `gus-${users}`;
    const job = { ...named(consume(2n), "job"), actor: "ana" };
    const life = [open(), recharge(9n), consume(1n), job, named(expire(DUE), "due")];
    await commitAll(
      own.orm,
      life.map((command) => ({ ...command, userId: first })),
    );
    const actor = request === "job" ? "ana" : "";
    const said = { userId: first, metadata: new Map(), member: "", actor };
    const digest = personalDigestOf(await saltOf(own, first), {
      ...said,
      request: { id: request! },
    });
    const userId = erased ? (await erase(own.orm, first)).userId : first;
    const userIds = [userId];
    expect((await verify(own.orm, { userIds })).wrong).toEqual([]);

    await own.query(change, request === undefined ? [userId] : [userId, digest]);
    const { wrong } = await verify(own.orm, { userIds });
    expect(wrong.map(({ what }) => what)).toEqual([flaw]);
  });

  test("a receipt that was erased after the account's erasure", async () => {
    await commitAll(own.orm, [{ ...recharge(9n), userId: "ida" }]);
    const { userId } = await erase(own.orm, "ida");
    await commitAll(own.orm, [{ ...named(expire(DUE), "due"), userId }]);
    const userIds = [userId];
    expect((await verify(own.orm, { userIds })).wrong).toEqual([]);
    const said = { userId, metadata: new Map(), member: "", actor: "", request: { id: "due" } };
    const digest = personalDigestOf(await saltOf(own, userId), said);
    await own.query(
      `update points.receipt set personal_digest = $2, request_id = null where user_id = $1`,
      [userId, digest],
    );
    expect((await verify(own.orm, { userIds })).wrong).toEqual([
      { userId, what: "receipt 1 is erased, and entry 2 is not" },
    ]);
  });
});

async function nameDigestOf(userId: string): Promise<unknown> {
  const [row] = await database.query(
    `select sha256(salt || convert_to(user_id, 'UTF8')) as digest
    from points.account where user_id = $1`,
    [userId],
  );
  return row?.["digest"];
}
