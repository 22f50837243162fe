import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { expect, onTestFinished, test } from "vitest";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { CalendarUnit, type PolicySchema } from "../../gen/points/v1/policy_pb.ts";
import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import { sweep } from "../../src/commit/sweep.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { advanceTestClock, makeTestClock } from "../../src/store/driver/test-clock.ts";
import { auditDatabase } from "../support/audit.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase } from "../support/database.ts";
import { importText } from "../support/importing.ts";
import { runPoints } from "../support/processes.ts";
import { points } from "../support/requests.ts";
import { testServer } from "../support/server.ts";

const { DAY, WEEK, MONTH, YEAR } = CalendarUnit;
const total = { span: { case: "total", value: true } } as const;
const calendar = (unit: CalendarUnit, timeZone = "") => {
  return { span: { case: "calendar", value: unit }, timeZone } as const;
};

type Rule = NonNullable<MessageInitShape<typeof PolicySchema>["rule"]>;

/** The policies of accounts that have nothing else. */
const ACCOUNTS: Record<string, Record<string, Rule>> = {
  refilled: { daily: allowance({ points: 20n, every: { unit: DAY } }) },
  rolling: {
    monthly: allowance({
      points: 100n,
      every: { unit: MONTH },
      expiration: { case: "periods", value: 3 },
      timeZone: "Europe/Berlin",
    }),
  },
  // Of five periods, the first has expired by then.
  owed: {
    weekly: allowance({
      points: 10n,
      every: { unit: WEEK },
      expiration: { case: "ttl", value: { seconds: 30n * 86_400n } },
    }),
  },
  kept: {
    often: allowance({
      points: 7n,
      every: { unit: DAY, count: 10 },
      expiration: { case: "never", value: true },
      priority: 3,
      category: "plan",
      services: ["tts"],
    }),
  },
  limited: {
    month: { case: "limit", value: { points: 5n, window: calendar(MONTH, "America/New_York") } },
    bob: { case: "limit", value: { points: 5n, window: calendar(YEAR), member: "bob" } },
    each: { case: "limit", value: { points: 6n, window: total, eachMember: true } },
    video: { case: "limit", value: { points: 0n, window: total, service: "video" } },
    low: { case: "alert", value: { below: -3n } },
    credit: { case: "creditLine", value: { points: 8n } },
  },
};

test("policies are imported, and allowances go on, whatever passed between export and import", async () => {
  const [from, to] = [await clockedServer(), await clockedServer()];
  for (const [userId, policies] of Object.entries(ACCOUNTS)) {
    for (const [name, rule] of Object.entries(policies)) await from.put(userId, name, rule);
  }
  // What is owed is repaid by the periods that pass, also by those whose points would be gone.
  for (const userId of ["debtor", "daily-debtor"]) {
    await from.put(userId, "credit", { case: "creditLine", value: { points: 50n } });
    await from.client.recharge({ userId, points: 20n });
    await from.client.consume({ userId, cost: points(60n), onShortfall: Shortfall.OWE });
  }
  const never = { case: "never", value: true } as const;
  await from.put(
    "debtor",
    "weekly",
    allowance({ points: 9n, every: { unit: WEEK }, expiration: never }),
  );
  await from.put("daily-debtor", "daily", allowance({ points: 2n, every: { unit: DAY } }));
  // What has ended stays so.
  await from.put("ended", "daily", allowance({ points: 4n, every: { unit: DAY } }));
  await from.put("ended", "low", { case: "alert", value: { below: 3n } });
  for (const name of ["daily", "low"]) await from.policies.deletePolicy({ userId: "ended", name });

  await Promise.all([from.pass(9), to.pass(9)]);
  const exported = (await runPoints({ DATABASE_URL: from.url }, ["export"]).exit).stdout;
  await Promise.all([from.pass(25), to.pass(25)]);
  for (let times = 0; times < 2; times += 1) {
    expect(await importText(to.client, exported)).toMatchObject({ bad: 0, why: [] });
    expect(await to.state()).toEqual(await from.state());
  }
  expect(await to.state()).toMatchObject({
    refilled: { account: { balance: 20n, totalRecharged: 40n, totalExpired: 20n } },
    rolling: { account: { balance: 200n }, lots: [{ remaining: 100n }, { remaining: 100n }] },
    owed: { account: { balance: 40n, totalRecharged: 50n, totalExpired: 10n } },
    kept: { account: { balance: 28n }, lots: { length: 4 } },
    debtor: { account: { balance: 5n, debt: 0n, totalRecharged: 65n } },
    "daily-debtor": { account: { balance: 2n, debt: 0n, totalRecharged: 62n } },
    ended: { account: { balance: 0n }, policies: [] },
  });

  await Promise.all([from.pass(40), to.pass(40)]);
  expect(await to.state()).toEqual(await from.state());
  await auditDatabase(to.url);
});

test("a charge that a limit stopped is imported, and the past around it can be read", async () => {
  const [from, to] = [await clockedServer(), await clockedServer()];
  const userId = "stopped";
  await from.client.recharge({ userId, points: 100n });
  await from.put(userId, "cap", { case: "limit", value: { points: 10n, window: total } });
  const { TAKE } = Shortfall;
  const { entry } = await from.client.consume({ userId, cost: points(50n), onShortfall: TAKE });
  expect(entry).toMatchObject({ points: 10n, uncovered: 40n });
  await from.client.recharge({ userId, points: 1n });
  const past = await from.client.getAccount({ userId, asOf: entry!.createTime! });
  expect(past.account).toMatchObject({ balance: 90n });
  const exported = (await runPoints({ DATABASE_URL: from.url }, ["export"]).exit).stdout;
  expect(await importText(to.client, exported)).toMatchObject({ bad: 0, why: [] });
  expect((await to.client.getAccount({ userId })).account).toMatchObject({ balance: 91n });
});

test("an allowance of a month's last days is imported when its next day is one of these", async () => {
  const [from, to] = [await clockedServer(), await clockedServer()];
  const day = 86_400_000;
  const userId = "last-days";
  // The next 31 January.
  const year = new Date().getUTCFullYear();
  const start = [year, year + 1]
    .map((one) => Date.UTC(one, 0, 31, 12))
    .find((ms) => ms > Date.now() + day);
  const startTime = timestampFromMs(start!);
  await from.put(userId, "monthly", allowance({ points: 5n, every: { unit: MONTH }, startTime }));
  const days = Math.ceil((start! - Date.now()) / day);
  await Promise.all([from.pass(days), to.pass(days)]);
  await from.client.getOrCreate({ userId });
  const exported = (await runPoints({ DATABASE_URL: from.url }, ["export"]).exit).stdout;
  const [refused] = (await importText(to.client, exported)).why;
  expect(refused).toContain("allowance monthly gives next on a day that stands for one");
  // After the end of February it goes on with 31 March.
  await Promise.all([from.pass(30), to.pass(30)]);
  expect(await importText(to.client, exported)).toMatchObject({ bad: 0, why: [] });
  const next = async ({ policies }: typeof from) =>
    (await policies.listPolicies({ userId })).policies[0]!.nextTime;
  expect(await next(to)).toEqual(await next(from));
  expect((await to.client.getAccount({ userId })).account).toMatchObject({ balance: 5n });
});

test("the period is imported that began as something else expired, before somebody came", async () => {
  const [from, to] = [await clockedServer(), await clockedServer()];
  const userId = "swept";
  const day = 86_400_000;
  const start = (Math.ceil(Date.now() / day) + 1) * day;
  const startTime = timestampFromMs(start);
  await from.put(userId, "free", allowance({ points: 5n, every: { unit: DAY }, startTime }));
  const expiration = { case: "expireTime", value: timestampFromMs(start + day) } as const;
  await from.client.recharge({ userId, points: 7n, expiration });
  await Promise.all([from.pass(3), to.pass(3)]);
  await from.sweep();
  const exported = (await runPoints({ DATABASE_URL: from.url }, ["export"]).exit).stdout;
  expect(await importText(to.client, exported)).toMatchObject({ bad: 0, why: [] });
  for (const { client } of [from, to]) {
    expect((await client.getAccount({ userId })).account).toMatchObject({ balance: 5n });
  }
});

function allowance(value: Extract<Rule, { case: "allowance" }>["value"]): Rule {
  return { case: "allowance", value };
}

/** A server whose time a test lets pass. */
async function clockedServer() {
  const database = await testDatabase();
  await makeTestClock(database.orm.em.fork());
  const orm = await openOrm(database.url, 8, { testClock: true });
  const server = await testServer({ SWEEP_SECONDS: "86400" }, { ...database, orm });
  onTestFinished(async () => {
    await server.stop();
    await orm.close();
    await database.close();
  });
  const { client, transport } = server;
  const policies = createClient(PolicyService, transport);
  return {
    url: database.url,
    client,
    policies,
    put: (userId: string, name: string, rule: Rule) =>
      policies.putPolicy({ userId, policy: { name, rule } }),
    sweep: () => sweep(orm, (commands) => commitAll(orm, commands)),
    pass: (days: number) => advanceTestClock(orm, BigInt(days) * 86_400_000_000n),
    /** Accounts, their lots and policies, without what differs: numbers, and when limits were put. */
    async state() {
      const all: Record<string, object> = {};
      for (const userId of [...Object.keys(ACCOUNTS), "debtor", "daily-debtor", "ended"]) {
        await client.expire({ userId, target: { case: "due", value: true } });
        const { account } = await client.getAccount({ userId });
        const { sequence: _, createTime: _c, updateTime: _u, salt: _s, ...figures } = account!;
        const { lots } = await client.listLots({ userId });
        const listed = await policies.listPolicies({ userId });
        all[userId] = {
          account: figures,
          lots: lots.map(({ priority, expireTime, remaining, category, services }) => {
            return { priority, expireTime, remaining, category, services };
          }),
          policies: listed.policies.map(({ policy, nextTime }) => {
            const { rule } = policy!;
            if (rule.case !== "allowance") return policy;
            return { ...rule.value, startTime: undefined, name: policy!.name, nextTime };
          }),
        };
      }
      return all;
    },
  };
}
