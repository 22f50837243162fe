import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Command } from "../../src/ledger/command.ts";
import { MAX_OPEN_LOTS } from "../../src/ledger/lot.ts";
import { loadStates } from "../../src/store/batch/load.ts";
import { lockAccounts } from "../../src/store/batch/lock.ts";
import { batchMoment } from "../../src/store/driver/clock.ts";
import { inTransaction } from "../../src/store/driver/transaction.ts";
import { readUsable } from "../../src/store/reads/read.ts";
import { auditDatabase } from "../support/audit.ts";
import * as ada from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { entryLine, NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

// Lots that only some services may take, in the account's row and in the table beyond it.

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await auditDatabase(database.url);
  await database.close();
});

const NEVER = { kind: "never" } as const;
const times = (count: number, command: Command) => Array.from({ length: count }, () => command);
const scoped = (...services: string[]) => ada.rechargeFor(services, 1n);
const consume = (service: string, points: bigint) => ada.consume(ada.usageOf(service, points));

type Case = {
  readonly before: readonly Command[];
  /** Each in a batch of its own; the last one's result counts. */
  readonly does: readonly Command[];
  readonly says: string;
};

const cases: Record<string, Case> = {
  "a charge passes over a row full of lots for another service": {
    before: [...times(20, scoped("script")), scoped("tts"), ...times(3, ada.recharge(1n))],
    does: [consume("tts", 2n)],
    says: "25 consume 2: 1 of #21, 1 of #22",
  },
  "a charge goes on behind lots of the table that are for another service": {
    before: [...times(16, ada.recharge(1n)), ...times(20, scoped("script")), ada.recharge(9n)],
    does: [ada.consume(17n), consume("tts", 3n)],
    says: "39 consume 3: 3 of #37",
  },
  "points without a service take of lots without services alone": {
    before: [...times(30, scoped("tts")), ...times(2, ada.recharge(5n))],
    does: [ada.consume(6n)],
    says: "33 consume 6: 5 of #31, 1 of #32",
  },
  "an expiry of points takes of all lots, in burn order": {
    before: [...times(18, scoped("tts")), ...times(2, scoped("script")), ada.recharge(5n)],
    does: [ada.expire({ kind: "points", points: 21n })],
    says: `22 expire 21: ${Array.from({ length: 20 }, (_, at) => `1 of #${at + 1}`).join(", ")}, 1 of #21`,
  },
  "what another service took leaves the order of lots as it was": {
    before: [...times(17, scoped("script")), ...times(2, scoped("tts"))],
    does: [consume("tts", 1n), consume("script", 17n)],
    says: `21 consume 17: ${Array.from({ length: 17 }, (_, at) => `1 of #${at + 1}`).join(", ")}`,
  },
  "a closed lot is made again with its services": {
    before: [ada.rechargeFor(["tts"], 5n, NEVER, { category: "gift" }), ada.recharge(5n)],
    does: [consume("tts", 6n), ada.refund(3n), ada.consume(5n)],
    says: "5 consume 5: 5 of #2",
  },
  "a lot of the table keeps its services when it comes to the row": {
    before: [...times(17, ada.rechargeFor(["tts", "script"], 1n)), ada.recharge(5n)],
    does: [consume("tts", 16n), ada.consume(1n), consume("script", 2n)],
    says: "21 consume 2: 1 of #17, 1 of #18",
  },
  "a charge of more than a service may use is refused, with what is beyond the row counted": {
    before: [...times(20, scoped("script")), ...times(4, scoped("tts")), ada.recharge(5n)],
    does: [consume("tts", 10n)],
    says: "balance 29, usable 9, required 10, shortfall 1",
  },
  "a charge of far more is refused with the same figures": {
    before: [...times(20, scoped("script")), ...times(4, scoped("tts")), ada.recharge(5n)],
    does: [consume("tts", 1_000_000n)],
    says: "balance 29, usable 9, required 1000000, shortfall 999991",
  },
  "more for a hold made by points comes of lots for anything, whatever use it is for": {
    before: [...times(20, scoped("tts")), ...times(4, ada.recharge(1n))],
    does: [ada.freeze(1n), ada.extendHold(25n, { more: ada.usageOf("tts", 2n) })],
    says: "26 extend 2 for hold 25 until +50: 1 of #22, 1 of #23",
  },
  "more for a hold of a service comes of lots for it, too": {
    before: [...times(20, scoped("script")), ...times(2, scoped("tts")), ada.recharge(1n)],
    does: [
      ada.freeze(ada.usageOf("tts", 1n)),
      ada.extendHold(24n, { more: ada.usageOf("tts", 2n), ttl: 60n }),
    ],
    says: "25 extend 2 for hold 24 until +60: 1 of #22, 1 of #23",
  },
  "more for a hold made by points is refused with what anything may use": {
    before: [...times(20, scoped("tts")), ...times(4, ada.recharge(1n))],
    does: [ada.freeze(1n), ada.extendHold(25n, { more: ada.usageOf("tts", 4n) })],
    says: "balance 23, usable 3, required 4, shortfall 1",
  },
  "points without a service are refused with what all may use": {
    before: [...times(20, scoped("script")), ...times(4, scoped("tts")), ada.recharge(5n)],
    does: [ada.consume(6n)],
    says: "balance 29, usable 5, required 6, shortfall 1",
  },
};

describe("an account with lots for some services:", () => {
  test.each(Object.entries(cases))("%s", async (title, { before, does, says }) => {
    const userId = title.replaceAll(/\W/g, "-").slice(0, 100);
    const run = (commands: readonly Command[]) =>
      commitAll(
        database.orm,
        commands.map((command) => ({ ...command, userId })),
        { clock: stoppedClock(NOW) },
      );
    await run(before);
    let result;
    for (const command of does) [result] = await run([command]);
    expect(saying(result)).toBe(says);
  });
});

test("a batch of charges for several services takes what each of them alone would take", async () => {
  const userId = "several";
  const before = [
    ...times(20, scoped("script")),
    ...times(20, scoped("tts", "script")),
    ...times(20, scoped("image")),
    ada.recharge(5n),
  ];
  const batch = [
    consume("tts", 21n),
    consume("script", 20n),
    consume("image", 22n),
    ada.consume(3n),
  ];
  const run = (commands: readonly Command[]) =>
    commitAll(
      database.orm,
      commands.map((command) => ({ ...command, userId })),
      { clock: stoppedClock(NOW) },
    );
  await run(before);
  const said = (await run(batch)).map(saying);
  expect(said.map((text) => text.replace(/:.*/, ""))).toEqual([
    "62 consume 21",
    "63 consume 20",
    "64 consume 22",
    "balance 2, usable 2, required 3, shortfall 1",
  ]);
  const [row] = await database.query(
    `select lots_beyond, beyond_remaining, beyond_scoped from points.account where user_id = $1`,
    [userId],
  );
  expect(row).toMatchObject({ beyond_scoped: "0" });
});

test("lots for a service that nobody asked for keep their place before others", async () => {
  const userId = "passed-over";
  const run = (commands: readonly Command[]) =>
    commitAll(
      database.orm,
      commands.map((command) => ({ ...command, userId })),
      { clock: stoppedClock(NOW) },
    );
  await run([...times(32, scoped("script")), ...times(4, scoped("image"))]);
  await run(times(9, ada.recharge(1n)));
  await run([consume("script", 32n), ada.consume(1n)]);
  const [result] = await run([consume("image", 5n)]);
  expect(saying(result)).toBe("48 consume 5: 1 of #33, 1 of #34, 1 of #35, 1 of #36, 1 of #38");
});

test("more services than are looked for by name take what is theirs", async () => {
  const userId = "many-services";
  const names = Array.from({ length: 20 }, (_, at) => `service-${at}`);
  const run = (commands: readonly Command[]) =>
    commitAll(
      database.orm,
      commands.map((command) => ({ ...command, userId })),
      { clock: stoppedClock(NOW) },
    );
  await run(names.flatMap((name) => times(2, scoped(name))));
  const said = (await run(names.map((name) => consume(name, 2n)))).map(saying);
  expect(said).toEqual(
    names.map((_, at) => `${41 + at} consume 2: 1 of #${at * 2 + 1}, 1 of #${at * 2 + 2}`),
  );
  const [refused] = await run([consume("service-1", 1n)]);
  expect(saying(refused)).toBe("balance 0, usable 0, required 1, shortfall 1");
});

test("a quote counts what a service may take, in the row and beyond it", async () => {
  const userId = "quoted";
  const before = [...times(20, scoped("script")), ...times(4, scoped("tts")), ada.recharge(5n)];
  await commitAll(
    database.orm,
    before.map((command) => ({ ...command, userId })),
  );
  const usable = (service: string) => readUsable(database.orm, userId, { service, member: "" });
  expect(await usable("tts")).toMatchObject({ balance: 29n, usable: 9n });
  expect(await usable("script")).toMatchObject({ balance: 29n, usable: 25n });
  expect(await usable("image")).toMatchObject({ balance: 29n, usable: 5n });
});

test("the table, the row and the journal show category and services", async () => {
  const userId = "shown";
  const lot = { ...ada.rechargeFor(["tts", "a,b"], 3n, NEVER, { category: "付费" }), userId };
  await commitAll(database.orm, times(17, lot));
  const shown = { category: "付费", services: ["tts", "a,b"] };
  for (const of of ["open_lot", "journal"]) {
    const rows = await database.query(
      `select category, services from points.${of} where user_id = $1`,
      [userId],
    );
    expect(rows).toEqual(Array.from({ length: 17 }, () => shown));
  }
});

describe("a batch loads of an account whose 4,096 lots are for a service", () => {
  beforeAll(async () => {
    const lots = times(MAX_OPEN_LOTS - 20, scoped("script"));
    const all = [...lots, ...times(20, scoped("tts"))];
    await commitAll(
      database.orm,
      all.map((command) => ({ ...command, userId: "full" })),
    );
  });
  const loads: [title: string, command: Command, most: number][] = [
    ["few for a small charge of another service", consume("tts", 2n), 40],
    ["a few for a charge that is refused whatever is loaded", consume("tts", 10_000n), 40],
    ["none more for points without a service", ada.consume(1n), 16],
    ["none more for a charge within the row", consume("script", 16n), 16],
  ];
  test.each(loads)("%s", async (_, command, most) => {
    const states = await inTransaction(database.orm, async (transaction) => {
      const { run } = transaction;
      const locked = lockAccounts(transaction, ["full"]);
      const commands = [{ ...command, userId: "full" }];
      return (await loadStates(run, { commands, locked, moment: batchMoment(run) })).states;
    });
    expect(states[0]!.lots.length).toBeLessThanOrEqual(most);
  });
});

function saying(result: Awaited<ReturnType<typeof commitAll>>[number] | undefined): string {
  if (result === undefined || result instanceof Error) throw result ?? new Error("no result");
  if (!("reason" in result)) return entryLine(result.entry!);
  if (result.reason !== "INSUFFICIENT_POINTS") return result.reason;
  const { balance, usable, required, shortfall } = result;
  return `balance ${balance}, usable ${usable}, required ${required}, shortfall ${shortfall}`;
}
