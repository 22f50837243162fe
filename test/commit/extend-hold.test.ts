import { afterAll, beforeAll, expect, test } from "vitest";
import type { Command } from "../../src/ledger/command.ts";
import { HOLD_MAX } from "../../src/ledger/hold.ts";
import { auditDatabase } from "../support/audit.ts";
import * as ada from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await auditDatabase(database.url);
  await database.close();
});

test("a hold lives 30 days from its FREEZE at most, whenever it is extended", async () => {
  const at = await begin("long", HOLD_MAX - 10n);
  const tooLong = {
    reason: "FIELD_INVALID",
    field: "ttl",
    description: "must end within 30 days of the hold's freeze",
  };
  expect(await at(7n, ada.extendHold(2n, { ttl: HOLD_MAX - 6n }))).toEqual(tooLong);
  const extended = await at(7n, ada.extendHold(2n, { ttl: HOLD_MAX - 7n }));
  expect(extended).toMatchObject({ entry: { expireTime: NOW + HOLD_MAX } });
});

test("a hold that was given more time ends then and not before, and so does the clock", async () => {
  const at = await begin("more-time", 100n);
  await at(10n, ada.extendHold(2n, { ttl: 500n }));
  await at(20n, ada.settlePart(2n, 3n));
  expect(await at(509n, ada.open())).toMatchObject({ account: { balance: 91n, frozen: 6n } });
  const [row] = await database.query(
    `select (extract(epoch from due_time) * 1000000)::bigint::text as due
     from points.account where user_id = 'more-time'`,
  );
  expect(row).toEqual({ due: String(NOW + 510n) });
  expect(await at(600n, ada.open())).toMatchObject({
    account: { balance: 97n, frozen: 0n, sequence: 5n, updateTime: NOW + 510n },
  });
});

/** Recharges 100 points and freezes 9 for so long; gives what commits one more command at a time. */
async function begin(userId: string, ttl: bigint) {
  const at = async (time: bigint, command: Command) => {
    const clock = stoppedClock(NOW + time);
    const [result] = await commitAll(database.orm, [{ ...command, userId }], { clock });
    if (result instanceof Error) throw result;
    return result;
  };
  await at(0n, ada.recharge(100n));
  await at(0n, ada.freeze(9n, ttl));
  return at;
}
