import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UNOBSERVED } from "../../src/commit/observer.ts";
import type { Account } from "../../src/ledger/account.ts";
import type { Fault } from "../../src/errors/database-fault.ts";
import type { Command } from "../../src/ledger/command.ts";
import { bookDue } from "../../src/ledger/due.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import { readAccountAt } from "../../src/store/reads/as-of.ts";
import { SWEEP } from "../support/allowances.ts";
import { auditDatabase } from "../support/audit.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { LONG_MS } from "../support/patience.ts";
import { commandAt, QUARTER, randomLife, type Step } from "../support/random-allowances.ts";
import { decideAt, NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const faults: unknown[] = [];
const observer = { ...UNOBSERVED, retried: (_: Fault, error: unknown) => void faults.push(error) };

test(
  "what is booked of a part of an account, with sweeps, is what the whole account leads to without",
  { timeout: LONG_MS },
  async () => {
    let lives = 0;
    await fc.assert(
      fc.asyncProperty(randomLife(25), async (life) => {
        lives += 1;
        expect(await committed(life, `ada-${lives}`)).toEqual(decided(life));
      }),
      { numRuns: 40, endOnFailure: true },
    );
    expect(faults).toEqual([]);
    await auditDatabase(database.url);
  },
);

/** What is read before each step, and the journal that the steps, each a batch of its own, and the sweeps between them leave. */
async function committed(life: readonly Step[], userId: string) {
  const read: string[] = [];
  let now = NOW;
  const send = async (command: Command, at: bigint) => {
    const [result] = await commitAll(database.orm, [{ ...command, userId }], {
      clock: stoppedClock(at),
      observer,
    });
    if (result instanceof Error) throw result;
  };
  for (const one of life) {
    for (const { after } of one.sweeps) {
      const at = now + BigInt(after) * QUARTER;
      if (await hasCome(userId, at)) await send(SWEEP, at);
      expect(await hasCome(userId, at)).toBe(false);
    }
    now += BigInt(one.later) * QUARTER;
    const { found } = await readAccountAt(database.orm, userId, now);
    if (found !== undefined) read.push(figuresOf(found.account));
    await send(commandAt(one, now), now);
  }
  const rows = await database.query(
    `select sequence, kind, points, cause, balance, debt,
      extract(epoch from create_time)::bigint as time
    from points.journal where user_id = $1 order by sequence`,
    [userId],
  );
  const journal = rows.map((row) =>
    [row["time"], row["kind"], row["points"], row["cause"], row["balance"], row["debt"]].join(" "),
  );
  return { read, journal };
}

/** Whether the account's clock has come, so that a sweep finds it. */
async function hasCome(userId: string, time: bigint): Promise<boolean> {
  const rows = await database.query(
    `select from points.account where user_id = $1
      and due_time <= timestamptz 'epoch' + $2::bigint * interval '1 microsecond'`,
    [userId, String(time)],
  );
  return rows.length > 0;
}

/** The same of a whole account in memory, which no sweep ever booked. */
function decided(life: readonly Step[]) {
  let state: AccountState | undefined;
  let now = NOW;
  const read: string[] = [];
  const journal = life.flatMap((one) => {
    now += BigInt(one.later) * QUARTER;
    if (state !== undefined) read.push(figuresOf(bookDue(state, now).state.account));
    const applied = decideAt(state, commandAt(one, now), now);
    ({ state } = applied);
    return applied.entries.map(({ time, kind, points, cause, after: { balance, debt } }) =>
      [time / 1_000_000n, KINDS[kind] ?? kind, points, cause, balance, debt].join(" "),
    );
  });
  return { read, journal };
}

const KINDS: Readonly<Record<string, string>> = { setPolicy: "set_policy" };

function figuresOf({ balance, frozen, debt, totalRecharged, totalExpired }: Account): string {
  return [balance, frozen, debt, totalRecharged, totalExpired].join(" ");
}
