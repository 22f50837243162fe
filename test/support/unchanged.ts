import { expect } from "vitest";
import type { Refusal } from "./error-info.ts";
import type { TestServer } from "./server.ts";

/** What the refusal of a field that breaks a limit, or cannot be read, always says. */
export const FIELD_INVALID = {
  code: "InvalidArgument",
  reason: "FIELD_INVALID",
  domain: "points.v1",
  outcome: "NOT_APPLIED",
};

/** The refusal that `call` comes to, once it is sure that the database is as it was. */
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
      (select count(*) from points.lot) as lots,
      (select sum(balance) from points.account) as balance`);
  return row;
}
