import { setTimeout as sleep } from "node:timers/promises";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import { type Entry, EntryKind, HoldState } from "../../gen/points/v1/account_pb.ts";
import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import { type Api, apiOf } from "../support/api.ts";
import { auditDatabase } from "../support/audit.ts";
import { testDatabase } from "../support/database.ts";
import { readRefusal } from "../support/error-info.ts";
import { LONG_MS } from "../support/patience.ts";
import { TIMES } from "../support/times.ts";
import { startPoints } from "../support/processes.ts";
import { creditLine, points, ttl } from "../support/requests.ts";

const userId = "ada";

test("1,000 charges of 1 at once on 600 points, through two processes: 600 succeed", async () => {
  const { clients, url } = await twoProcesses();
  await clients[0]!.recharge({ userId, points: 600n });
  const outcomes = await Promise.all(
    range(1_000).map((n) => outcomeOf(clients[n % 2]!.consume({ userId, cost: points(1n) }))),
  );
  expect(outcomes.filter((outcome) => outcome === "applied")).toHaveLength(600);
  expect(outcomes.filter((outcome) => outcome === "INSUFFICIENT_POINTS")).toHaveLength(400);
  const { account } = await clients[1]!.getOrCreate({ userId });
  expect(account).toMatchObject({ balance: 0n, sequence: 601n, totalConsumed: 600n });
  expect(await auditDatabase(url)).toEqual({ accounts: 1, entries: 601 });
});

test("the same request sent 100 times at once, through two processes: applied once", async () => {
  const { clients, url } = await twoProcesses();
  await clients[0]!.recharge({ userId, points: 600n });
  const request = { userId, requestId: "once", cost: points(5n) };
  const answers = await Promise.all(range(100).map((n) => clients[n % 2]!.consume(request)));
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
  expect(new Set(answers.map(({ entry }) => entry?.sequence))).toEqual(new Set([2n]));
  expect(await auditDatabase(url)).toEqual({ accounts: 1, entries: 2 });
});

test("50 holds settled, released and expired at once, by two processes: one end each", async () => {
  const { clients, url } = await twoProcesses();
  await clients[0]!.recharge({ userId, points: 500n });
  const frozen = await Promise.all(
    range(50).map((n) =>
      clients[n % 2]!.freeze({ userId, cost: points(10n), expiration: ttl(1_000) }),
    ),
  );
  const numbers = frozen.map(({ hold }) => hold!.number);
  const outcomes = await Promise.all(
    numbers.flatMap((hold, n) =>
      clients.map(async (client) => {
        // Some long before their time, some about when it comes, some never.
        await sleep([0, 950, 1_000, 1_050, 1_200][n % 5]);
        const settle = client.settle({ userId, hold, cost: points(4n) });
        const release = client.release({ userId, hold });
        return (await Promise.all([settle, release].map(outcomeOf))).map((how) => ({ hold, how }));
      }),
    ),
  );
  await sleep(300);
  const { account } = await clients[0]!.getOrCreate({ userId });
  const { holds } = await clients[1]!.listHolds({ userId, pageSize: 100 });
  expect(holds.filter(({ state }) => state === HoldState.OPEN)).toEqual([]);
  for (const { number, state } of holds) {
    const closed = outcomes.flat().filter(({ hold, how }) => hold === number && how === "applied");
    expect(closed).toHaveLength(state === HoldState.EXPIRED ? 0 : 1);
  }
  const settled = holds.filter(({ state }) => state === HoldState.SETTLED);
  expect(account).toMatchObject({ frozen: 0n, balance: 500n - 4n * BigInt(settled.length) });
  await auditDatabase(url);
});

test("50 revocations of one lot, with refunds of them, by two processes: never above it", async () => {
  const { clients, url } = await twoProcesses();
  const [one] = clients;
  await one!.recharge({ userId, points: 100n });
  await one!.consume({ userId, cost: points(60n) });
  const target = { case: "lot", value: 1n } as const;
  const revokeAndRefund = async (n: number) => {
    const request = { userId, target, lotPoints: 5n, onShortfall: Shortfall.TAKE };
    const [answer] = await Promise.allSettled([clients[n % 2]!.revoke(request)]);
    if (answer.status === "rejected") return String(readRefusal(answer.reason).reason);
    const { sequence } = answer.value.entry!;
    // Each is refunded by both processes at once, and one of them does it.
    const refunds = clients.map((client) => outcomeOf(client.refund({ userId, sequence })));
    return (await Promise.all(refunds)).toSorted().join();
  };
  const [outcomes, back] = await Promise.all([
    Promise.all(range(50).map(revokeAndRefund)),
    Promise.all(
      range(60).map((n) => outcomeOf(clients[n % 2]!.refund({ userId, sequence: 2n, points: 1n }))),
    ),
  ]);
  // 100 points are 20 times 5.
  expect(outcomes.toSorted()).toEqual([
    ...Array<string>(20).fill("REFUND_EXCEEDS_ENTRY,applied"),
    ...Array<string>(30).fill("REVOKE_EXCEEDS_LOT"),
  ]);
  expect(new Set(back)).toEqual(new Set(["applied"]));
  const { account } = await one!.getOrCreate({ userId });
  expect(account).toMatchObject({ balance: 100n, frozen: 0n, totalConsumed: 60n });
  expect(account!.totalRefunded - account!.totalRevoked).toBe(60n);
  await auditDatabase(url);
});

test("a debt repaid by ten recharges at once, through two processes: repaid once", async () => {
  const { clients, url } = await twoProcesses();
  const [one] = clients;
  await one!.putPolicy({ userId, policy: creditLine(1_000n) });
  await one!.consume({ userId, cost: points(75n), onShortfall: Shortfall.OWE });
  const answers = await Promise.all(
    range(10).map((n) => clients[n % 2]!.recharge({ userId, points: 10n })),
  );
  const repaid = answers.map(({ entry }) => Number(entry!.repaid)).toSorted((a, b) => b - a);
  expect(repaid).toEqual([10, 10, 10, 10, 10, 10, 10, 5, 0, 0]);
  const { account } = await one!.getOrCreate({ userId });
  expect(account).toMatchObject({ balance: 25n, debt: 0n, totalRecharged: 100n });
  await auditDatabase(url);
});

test("100 parts of one hold settled at once, by two processes: as many as it has points for", async () => {
  const { clients, url } = await twoProcesses();
  await clients[0]!.recharge({ userId, points: 500n });
  const { hold } = await clients[0]!.freeze({ userId, cost: points(210n) });
  const { number } = hold!;
  const outcomes = await Promise.all(
    range(100).map((n) => {
      const part = {
        userId,
        hold: number,
        cost: points(3n),
        keepOpen: true,
        requestId: `part-${n}`,
      };
      return outcomeOf(clients[n % 2]!.settle(part));
    }),
  );
  expect(outcomes.filter((outcome) => outcome === "applied")).toHaveLength(70);
  expect(outcomes.filter((outcome) => outcome === "HOLD_EXCEEDED")).toHaveLength(30);
  const { holds } = await clients[1]!.listHolds({ userId });
  expect(holds).toMatchObject([{ points: 210n, settled: 210n, state: HoldState.OPEN }]);
  const { account } = await clients[1]!.getOrCreate({ userId });
  expect(account).toMatchObject({ balance: 290n, frozen: 0n, totalConsumed: 210n, sequence: 72n });
  expect(await auditDatabase(url)).toEqual({ accounts: 1, entries: 72 });
});

test("holds extended and released at once, by two processes: no point is lost", async () => {
  const { clients, url } = await twoProcesses();
  await clients[0]!.recharge({ userId, points: 500n });
  const frozen = await Promise.all(
    range(30).map((n) => clients[n % 2]!.freeze({ userId, cost: points(5n) })),
  );
  const outcomes = await Promise.all(
    frozen.map(async ({ hold: made }, n) => {
      const { number: hold } = made!;
      const [one, two] = n % 2 === 0 ? clients : clients.toReversed();
      const extend = () => outcomeOf(one!.extendHold({ userId, hold, more: points(2n) }));
      const release = () => outcomeOf(two!.release({ userId, hold }));
      return { hold, how: await Promise.all([extend(), release(), extend()]) };
    }),
  );
  const { holds } = await clients[1]!.listHolds({ userId, pageSize: 100 });
  const byNumber = new Map(holds.map((hold) => [hold.number, hold]));
  for (const { hold, how } of outcomes) {
    const [first, released, second] = how;
    expect(released).toBe("applied");
    const extended = [first, second].filter((outcome) => outcome === "applied").length;
    const others = [first, second].filter((outcome) => outcome !== "applied");
    expect(new Set(["HOLD_CLOSED", ...others])).toEqual(new Set(["HOLD_CLOSED"]));
    const all = BigInt(5 + 2 * extended);
    expect(byNumber.get(hold)).toMatchObject({ points: all, state: HoldState.RELEASED });
  }
  const { account } = await clients[0]!.getOrCreate({ userId });
  expect(account).toMatchObject({ balance: 500n, frozen: 0n, totalConsumed: 0n });
  await auditDatabase(url);
});

const LIMIT_TRIES = TIMES === 1 ? 5 : 100 * TIMES;

test(
  "64 jobs at once on an account with limits, by two processes: none is passed",
  async () => {
    const { clients, url } = await twoProcesses();
    for (let attempt = 0; attempt < LIMIT_TRIES; attempt += 1) {
      const team = `team-${attempt}`;
      await clients[0]!.recharge({ userId: team, points: 10_000n });
      await clients[0]!.putPolicy({ userId: team, policy: limitOf("all", 200n) });
      await clients[0]!.putPolicy({ userId: team, policy: limitOf("each", 60n, true) });
      const outcomes = await Promise.all(range(64).map((n) => runJob(clients[n % 2]!, team, n)));
      expect(new Set(outcomes)).toEqual(new Set(["applied", "LIMIT_EXCEEDED"]));
      const { entries } = await clients[1]!.listEntries({ userId: team, pageSize: 1_000 });
      expect(mostSpent(entries, () => "all")).toBeLessThanOrEqual(200n);
      expect(mostSpent(entries, ({ member }) => member)).toBeLessThanOrEqual(60n);
    }
    // It counts again, and finds a limit that was passed at any entry.
    await auditDatabase(url);
  },
  LONG_MS,
);

/** A third of the jobs are charges, a third holds that cost less in the end, a third come to nothing. */
async function runJob(client: Api, team: string, n: number) {
  const member = `member-${n % 5}`;
  const request = { userId: team, member, cost: points(10n) };
  if (n % 3 === 0) return outcomeOf(client.consume(request));
  const freezeAndEnd = async () => {
    const { hold } = await client.freeze(request);
    const held = { userId: team, hold: hold!.number };
    if (n % 3 === 1) await client.settle({ ...held, cost: points(4n) });
    else await client.release(held);
  };
  return outcomeOf(freezeAndEnd());
}

function limitOf(name: string, most: bigint, eachMember = false) {
  const window = { span: { case: "total", value: true } } as const;
  return { name, rule: { case: "limit", value: { points: most, window, eachMember } } } as const;
}

/** The most that was spent or set aside at any time, by whoever spends. */
function mostSpent(newestFirst: readonly Entry[], whose: (entry: Entry) => string): bigint {
  const sums = new Map<string, bigint>();
  let most = 0n;
  for (const entry of newestFirst.toReversed()) {
    const { kind, points: moved, returned } = entry;
    const spends = kind === EntryKind.CONSUME || kind === EntryKind.FREEZE;
    const back = kind === EntryKind.RELEASE ? moved : returned;
    const sum = (sums.get(whose(entry)) ?? 0n) + (spends ? moved : -back);
    sums.set(whose(entry), sum);
    if (sum > most) most = sum;
  }
  return most;
}

async function twoProcesses(): Promise<{ clients: Api[]; url: string }> {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const environment = { DATABASE_URL: database.url, SWEEP_SECONDS: "1" };
  const servers = [await startPoints(environment), await startPoints(environment)];
  const clients = servers.map(({ baseUrl }) => apiOf(createGrpcTransport({ baseUrl })));
  return { clients, url: database.url };
}

async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "applied";
  } catch (error) {
    return readRefusal(error).reason ?? String(error);
  }
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
