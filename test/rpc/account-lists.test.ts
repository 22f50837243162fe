import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CalendarUnit } from "../../gen/points/v1/policy_pb.ts";
import { erase } from "../../src/commit/erase.ts";
import type { Command } from "../../src/ledger/command.ts";
import { databaseNow } from "../../src/store/driver/clock.ts";
import { inSnapshot } from "../../src/store/driver/transaction.ts";
import { readAccountAt } from "../../src/store/reads/as-of.ts";
import { listAccounts } from "../../src/store/reads/list-accounts.ts";
import { type ExpiringOptions, listExpiring } from "../../src/store/reads/list-expiring.ts";
import type { Api } from "../support/api.ts";
import { commitAll } from "../support/commit-all.ts";
import type { TestDatabase } from "../support/database.ts";
import { assertUntil } from "../support/enough.ts";
import { refusalOf } from "../support/error-info.ts";
import { Model } from "../support/model.ts";
import { LONG_MS } from "../support/patience.ts";
import { makeDue } from "../support/priced-server.ts";
import { randomSteps } from "../support/random-commands.ts";
import { randomYears } from "../support/random-years.ts";
import { points, ttl } from "../support/requests.ts";
import { stoppedClock } from "../support/stopped-clock.ts";
import { serveTwoCallers } from "../support/two-callers.ts";

const HOUR = 3_600_000;
const DAY = { seconds: 86_400n };

let close: () => Promise<void>;
let database: TestDatabase;
let client: Api;
/** A client of who may see the users "ada…" alone. */
let ofAda: Api;
beforeAll(async () => {
  ({ client, close, database, ofAda } = await serveTwoCallers());
});
afterAll(() => close());

/** In the order of their bytes. */
const NAMES = ["A", "a", "ad", "ada", "ada.b", "adam", "ada~", "adb", "b", "~"];

describe("ListAccounts", () => {
  beforeAll(async () => {
    for (const userId of NAMES.toReversed()) {
      await client.recharge({ userId, points: 10n, expiration: ttl(HOUR) });
      await client.recharge({ userId, points: 5n });
      await client.freeze({ userId, cost: points(3n), expiration: ttl(HOUR) });
    }
    // Of these something is due that nobody has booked.
    await makeDue(database, "hold", "ada", 3n);
    await makeDue(database, "lot", "adam", 1n);
  });

  test.each([1, 3, 10, 50])(
    "has all accounts as GetAccount shows them, %i a page",
    async (size) => {
      const accounts = await pagesOf(size, async (page) => {
        const answer = await client.listAccounts(page);
        return { items: answer.accounts, ...answer };
      });
      expect(accounts.map(({ userId }) => userId)).toEqual(NAMES);
      for (const account of accounts) {
        const { nextExpiration: _, ...shown } = (
          await client.getAccount({ userId: account.userId })
        ).account!;
        expect(account).toEqual(shown);
      }
      const [ada, adam] = ["ada", "adam"].map((id) => accounts.find(({ userId }) => userId === id));
      expect(ada).toMatchObject({ balance: 15n, frozen: 0n, sequence: 3n });
      expect(adam).toMatchObject({ balance: 5n, frozen: 3n, totalExpired: 7n, sequence: 3n });
    },
  );

  test.each([
    ["ada", ["ada", "ada.b", "adam", "ada~"]],
    ["ada.", ["ada.b"]],
    ["~", ["~"]],
    ["adaa", []],
  ])("with the prefix %s has the users whose ids begin with it", async (userIdPrefix, expected) => {
    const { accounts } = await client.listAccounts({ userIdPrefix });
    expect(accounts.map(({ userId }) => userId)).toEqual(expected);
  });

  test("ends a page before the user with too many lots and holds, and goes on there", async () => {
    // Of each user one hold is open.
    const pages: string[][] = [];
    let after: string | undefined;
    do {
      const page = { userIdPrefix: "ad", after, limit: 9 };
      const read = await inSnapshot(database.orm, (run) => listAccounts(run, page, 0n, 2));
      pages.push(read.accounts.map(({ userId }) => userId));
      after = read.next;
    } while (after !== undefined);
    expect(pages).toEqual([
      ["ad", "ada"],
      ["ada.b", "adam"],
      ["ada~", "adb"],
    ]);
  });

  test("has for a caller with a prefix its users, and refuses others", async () => {
    const { accounts } = await ofAda.listAccounts({});
    expect(accounts.map(({ userId }) => userId)).toEqual(["ada", "ada.b", "adam", "ada~"]);
    expect((await ofAda.listAccounts({ userIdPrefix: "adam" })).accounts).toHaveLength(1);
    for (const userIdPrefix of ["ad", "b"]) {
      const denied = { reason: "PERMISSION_DENIED" };
      expect(await refusalOf(ofAda.listAccounts({ userIdPrefix }))).toMatchObject(denied);
      const soon = ofAda.listExpiring({ userIdPrefix, within: DAY });
      expect(await refusalOf(soon)).toMatchObject(denied);
    }
  });

  test("goes on behind the last user, though accounts come", async () => {
    const first = await client.listAccounts({ userIdPrefix: "ad", pageSize: 2 });
    await client.recharge({ userId: "ad!", points: 1n });
    await client.recharge({ userId: "adaa", points: 1n });
    const pageToken = first.nextPageToken;
    const second = await client.listAccounts({ userIdPrefix: "ad", pageSize: 9, pageToken });
    const ids = [...first.accounts, ...second.accounts].map(({ userId }) => userId);
    expect(ids).toEqual(["ad", "ada", "ada.b", "adaa", "adam", "ada~", "adb"]);
    const other = client.listAccounts({ userIdPrefix: "ada", pageToken });
    expect(await refusalOf(other)).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
  });
});

test("a user who was erased is in both lists by the new name alone", async () => {
  await client.recharge({ userId: "wilma", points: 6n, expiration: ttl(HOUR) });
  const { userId } = await erase(database.orm, "wilma");
  for (const [userIdPrefix, expected] of [
    ["wilma", []],
    ["~erased", [userId]],
  ] as const) {
    const { accounts } = await client.listAccounts({ userIdPrefix });
    const { expiring } = await client.listExpiring({ userIdPrefix, within: DAY });
    for (const list of [accounts, expiring]) {
      expect(list.map((one) => one.userId)).toEqual(expected);
    }
  }
});

describe("ListExpiring", () => {
  test("has what of balances expires in that time, and what does first", async () => {
    const lots = {
      "soon-a": [
        [7n, 1],
        [2n, 1],
        [5n, 9],
      ],
      "soon-b": [[4n, 9]],
      "soon-c": [[4n, 90]],
    };
    for (const [userId, ofUser] of Object.entries(lots)) {
      await client.recharge({ userId, points: 100n });
      for (const [some, hours] of ofUser as [bigint, number][]) {
        await client.recharge({ userId, points: some, expiration: ttl(hours * HOUR) });
      }
    }
    // Points of holds are not counted, until they come back.
    await client.freeze({ userId: "soon-b", cost: points(3n), expiration: ttl(HOUR) });
    await client.recharge({ userId: "soon-d", points: 3n });
    const firstTime = async (userId: string, number: bigint) =>
      (await client.listLots({ userId })).lots.find((lot) => lot.number === number)!.expireTime;
    const list = async (seconds: bigint) =>
      (await client.listExpiring({ userIdPrefix: "soon-", within: { seconds } })).expiring;
    const a = { userId: "soon-a", firstTime: await firstTime("soon-a", 2n), firstPoints: 7n };
    const b = {
      userId: "soon-b",
      points: 1n,
      firstTime: await firstTime("soon-b", 2n),
      firstPoints: 1n,
    };
    expect(await list(2n * 3_600n)).toMatchObject([{ ...a, points: 9n }]);
    expect(await list(10n * 3_600n)).toMatchObject([{ ...a, points: 14n }, b]);
    await makeDue(database, "hold", "soon-b", 3n);
    expect((await list(10n * 3_600n))[1]).toMatchObject({ ...b, points: 4n, firstPoints: 4n });
    expect((await list(100n * 3_600n)).map(({ userId }) => userId)).toEqual([
      "soon-a",
      "soon-b",
      "soon-c",
    ]);
  });

  test("has what an allowance gave, whose expiry wakes nobody", async () => {
    const userId = "refilled";
    const allowance = { points: 8n, every: { count: 1, unit: CalendarUnit.DAY } };
    const rule = { case: "allowance", value: allowance } as const;
    await client.putPolicy({ userId, policy: { name: "daily", rule } });
    const { account } = await client.getAccount({ userId });
    expect(await database.query(CLOCK_OF, [userId])).toEqual([{ due_time: null }]);
    const { time, points: firstPoints } = account!.nextExpiration!;
    const { expiring } = await client.listExpiring({ userIdPrefix: userId, within: DAY });
    expect(expiring).toMatchObject([{ userId, points: 8n, firstTime: time, firstPoints }]);
  });

  test("goes on behind the last user, in pages of any size", async () => {
    const ids = Array.from({ length: 7 }, (_, n) => `page-${n}`);
    for (const userId of ids) {
      await client.recharge({ userId, points: 1n, expiration: ttl(HOUR) });
    }
    for (const size of [1, 3, 7]) {
      const users = await pagesOf(size, async (page) => {
        const answer = await client.listExpiring({ ...page, userIdPrefix: "page-", within: DAY });
        return { items: answer.expiring, ...answer };
      });
      expect(users.map(({ userId }) => userId)).toEqual(ids);
    }
  });

  test("looks at so many users a page, and works out what is due of so many", async () => {
    for (const [userId, expiration] of [
      ["few-0", ttl(HOUR)],
      ["few-1", undefined],
      ["few-2", undefined],
      ["few-3", ttl(HOUR)],
      ["few-4", ttl(HOUR)],
    ] as const) {
      await client.recharge({ userId, points: 1n, ...(expiration && { expiration }) });
    }
    const list = async (options: ExpiringOptions) => {
      const pages: string[][] = [];
      let after: string | undefined;
      do {
        const page = { userIdPrefix: "few-", after, limit: 9, within: 86_400_000_000n };
        const read = await inSnapshot(database.orm, async (run) =>
          listExpiring(run, page, await databaseNow(run), options),
        );
        pages.push(read.expiring.map(({ userId }) => userId));
        after = read.next;
      } while (after !== undefined);
      return pages;
    };
    expect(await list({})).toEqual([["few-0", "few-3", "few-4"]]);
    expect(await list({ maxLooked: 2 })).toEqual([["few-0"], ["few-3"], ["few-4"]]);
    expect(await list({ maxLooked: 1 })).toHaveLength(6);
    expect(await list({ maxBooked: 1 })).toEqual([["few-0"], ["few-3"], ["few-4"]]);
    expect(await list({ maxBooked: 2 })).toEqual([["few-0", "few-3"], ["few-4"]]);
  });

  test("takes a time of more than 0 and at most ten years", async () => {
    for (const within of [
      undefined,
      { seconds: 0n },
      { seconds: -1n },
      { seconds: 315_576_001n },
    ]) {
      const refused = await refusalOf(client.listExpiring({ within }));
      expect(refused).toMatchObject({ reason: "FIELD_INVALID", fields: ["within"] });
    }
  });

  test(
    "says what the naive model does, and what GetAccount says of the next expiry",
    async () => {
      let runs = 0;
      const seen = { users: 0, table: 0, due: 0 };
      const isEnough = () => Math.min(...Object.values(seen)) >= 15;
      const story = fc.record({
        steps: fc.oneof(randomYears(25), randomSteps(12, 50)),
        // In the units of the steps: microseconds, or hours.
        later: fc.bigInt({ min: 0n, max: 90n }),
        within: fc.oneof(fc.bigInt({ min: 1n, max: 200n }), fc.constant(90_000n)),
      });
      const property = fc.asyncProperty(story, async ({ steps, later, within }) => {
        const userIdPrefix = `run-${(runs += 1)}-`;
        const model = new Model();
        let now = 1n;
        for (const { laterBy, commands } of steps) {
          now += laterBy;
          const ofRun = commands.map((command): Command => {
            return model.aim({ ...command, userId: `${userIdPrefix}${command.userId}` });
          });
          await commitAll(database.orm, ofRun, { clock: stoppedClock(now) });
          for (const command of ofRun) model.run(command, now);
        }
        const unit = now > 1_000_000n ? 3_600_000_000n : 1n;
        now += later * unit;
        const page = { userIdPrefix, after: undefined, limit: 1_000, within: within * unit };
        const { expiring, next } = await inSnapshot(database.orm, (run) =>
          listExpiring(run, page, now),
        );
        const expected = ["ada", "bob"].flatMap((name) => {
          const userId = `${userIdPrefix}${name}`;
          const lots = model.lotsAt(userId, now).filter(({ expireTime }) => {
            return expireTime !== null && expireTime <= now + page.within;
          });
          if (lots.length === 0) return [];
          const sum = lots.reduce((all, lot) => all + lot.points, 0n);
          return [{ userId, points: sum, first: model.shown(userId, now)!.next }];
        });
        expect({ expiring, next }).toEqual({ expiring: expected, next: undefined });
        for (const { userId, first } of expiring) {
          const { found } = await readAccountAt(database.orm, userId, now);
          expect(found!.lots!.next).toEqual(first);
        }
        const rows = await database.query(
          `select coalesce(bool_or(lots_beyond > 0), false) as table,
            coalesce(bool_or(due_time <= timestamptz 'epoch' + $2::bigint * interval '1 us'), false) as due
          from points.account where user_id = any($1)`,
          [expiring.map(({ userId }) => userId), String(now)],
        );
        seen.users += expiring.length;
        for (const what of ["table", "due"] as const) seen[what] += rows[0]![what] ? 1 : 0;
      });
      await assertUntil(isEnough, property, 20);
    },
    LONG_MS,
  );
});

const CLOCK_OF = "select due_time from points.account where user_id = $1";

type Page = { pageSize: number; pageToken: string };

/** All items of a list, page by page. */
async function pagesOf<T>(
  pageSize: number,
  ask: (page: Page) => Promise<{ items: readonly T[]; nextPageToken: string }>,
): Promise<readonly T[]> {
  const all: T[] = [];
  let pageToken = "";
  do {
    const { items, nextPageToken } = await ask({ pageSize, pageToken });
    expect(items.length).toBeLessThanOrEqual(pageSize);
    all.push(...items);
    pageToken = nextPageToken;
  } while (pageToken !== "");
  return all;
}
