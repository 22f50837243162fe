import { expect } from "vitest";
import type { Refusal } from "./error-info.ts";
import type { TestServer } from "./server.ts";

/** The parts that all refusals of an invalid or unreadable field share. */
export const FIELD_INVALID = {
  code: "InvalidArgument",
  reason: "FIELD_INVALID",
  domain: "points.v1",
  outcome: "NOT_APPLIED",
};

/** The refusal of `call`; fails if the call changed the database. */
export async function refusedUnchanged(
  server: TestServer,
  call: () => Promise<Refusal>,
): Promise<Refusal> {
  const before = await fingerprintOf(server);
  const refusal = await call();
  expect(await fingerprintOf(server)).toEqual(before);
  return refusal;
}

async function fingerprintOf({ database }: TestServer): Promise<unknown> {
  const [row] = await database.query(`
    select
      (select count(*) from points.account) as accounts,
      (select count(*) from points.entry) as entries,
      (select count(*) from points.receipt) as receipts,
      (select count(*) from points.open_lot) as lots,
      (select sum(balance) from points.account) as balance`);
  return row;
}
