import { beforeEach, describe, expect, test } from "vitest";
import { verify } from "../../src/verify/verify.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { makeLotsEditable } from "../support/editable-lots.ts";
import { ada, dropChecks, live, lot, rehashAda } from "./life.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  await live(database);
  await makeLotsEditable(database);
  return () => database.close();
});

type Forgery = {
  readonly what: string;
  readonly sql: string;
  readonly sequence: bigint;
  readonly finds: string;
};

// Somebody who can write to the tables can also make the hashes fit. The rules still hold.
describe("behind hashes that fit, verify finds", () => {
  const entry = (number: number, change: string) =>
    `update points.entry set ${change} where ${ada(number)}`;

  test.each<Forgery>([
    {
      what: "a request id that was used before",
      sql: `drop index points.entry_request; ${entry(4, "request_id = 'a-3', fingerprint = hash")}`,
      sequence: 4n,
      finds: "has request id a-3, which was used before",
    },
    {
      what: "points that are not those of the lots",
      sql: entry(3, "points = 31"),
      sequence: 3n,
      finds: "moves 31 points, its allocations 30",
    },
    {
      what: "other figures",
      sql: entry(3, "balance = balance + 1"),
      sequence: 3n,
      finds: "leaves balance 121, not 120",
    },
    {
      what: "more than a lot has",
      sql: entry(4, "allocations = edit.pack('{2,1}', '{21,19}')"),
      sequence: 4n,
      finds: "takes 21 points of lot 2, which has 20",
    },
    {
      what: "a lot that there is not",
      sql: entry(3, "allocations = edit.pack('{9}', '{30}')"),
      sequence: 3n,
      finds: "takes 30 points of lot 9, which has 0",
    },
    {
      what: "a lot that burns later",
      sql: entry(3, "allocations = edit.pack('{1}', '{30}')"),
      sequence: 3n,
      finds: "takes of lot 1, though lot 2 burns before it",
    },
    {
      what: "lots in another order",
      sql: entry(4, "allocations = edit.pack('{1,2}', '{20,20}')"),
      sequence: 4n,
      finds: "takes of its lots in another order than they burn in",
    },
    {
      what: "points that were spent past their time",
      sql: entry(3, "create_time = create_time + interval '1000us'"),
      sequence: 3n,
      finds: "takes of lot 2 past its time",
    },
    {
      what: "a lot that was expired before it was made",
      sql: entry(2, "expire_time = create_time"),
      sequence: 2n,
      finds: "makes what is expired",
    },
    {
      what: "a recharge of another lot",
      sql: entry(2, "allocations = edit.pack('{1}', '{50}')"),
      sequence: 2n,
      finds: "recharges other lots than its own",
    },
    {
      what: "a recharge that used a service",
      sql: entry(2, "service = 'x', price_version = 'y'"),
      sequence: 2n,
      finds: "has a usage, which no recharge has",
    },
    {
      what: "a recharge that is about an entry",
      sql: entry(2, "refers_to = 1"),
      sequence: 2n,
      finds: "has a reference, which no recharge has",
    },
    {
      what: "a settle of a hold that there is not",
      sql: entry(6, "refers_to = 4"),
      sequence: 6n,
      finds: "settles hold 4, which is not open",
    },
    {
      what: "a settle past the hold's time",
      sql: entry(6, "create_time = create_time + interval '100us'"),
      sequence: 6n,
      finds: "settles hold 5 past its time",
    },
    {
      what: "a settle that returned too little",
      sql: entry(6, "returned = 14"),
      sequence: 6n,
      finds: "settles 10 of 25 points and returns 14",
    },
    {
      what: "a settle of other lots",
      sql: entry(6, "allocations = edit.pack('{2}', '{10}')"),
      sequence: 6n,
      finds: "spends other points than hold 5 has",
    },
    {
      what: "a release of a closed hold",
      sql: entry(8, "refers_to = 5"),
      sequence: 8n,
      finds: "releases hold 5, which is not open",
    },
    {
      what: "a release of too little",
      sql: entry(8, "points = 4, allocations = edit.pack('{1}', '{4}')"),
      sequence: 8n,
      finds: "releases other points than hold 7 has",
    },
    {
      what: "a caller's release past the hold's time",
      sql: entry(10, "request_id = 'a-10', fingerprint = hash"),
      sequence: 10n,
      finds: "is a caller's release of hold 9 past its time",
    },
    {
      what: "a release by the ledger before the hold's time",
      sql: entry(10, "create_time = create_time - interval '10us'"),
      sequence: 9n,
      finds: "its hold is expired with 0 settled, entry 10 made it released with 0",
    },
    {
      what: "a release by the ledger after the hold's time",
      sql: entry(10, "create_time = create_time + interval '1us'"),
      sequence: 10n,
      finds: "releases hold 9 at another instant than its time",
    },
    {
      what: "an entry that is earlier than the one before it",
      sql: entry(10, "create_time = create_time - interval '51us'"),
      sequence: 10n,
      finds: "is earlier than the entry before",
    },
    {
      what: "a refund of a recharge",
      sql: entry(13, "refers_to = 1"),
      sequence: 13n,
      finds: "refunds 5 points of entry 1, of which its undone row leaves 0",
    },
    {
      what: "a refund to other lots",
      sql: entry(13, "allocations = edit.pack('{2}', '{5}')"),
      sequence: 13n,
      finds: "gives back to other lots than entry 4 took from",
    },
    {
      what: "a refund that makes expired points permanent",
      sql: `${entry(14, "expire_time = null")};
            update edit.lot set expire_time = null where ${lot(14)}`,
      sequence: 14n,
      finds: "makes points that expired permanent",
    },
    {
      what: "a refund that makes points burn later",
      sql: `${entry(14, "priority = 1")}; update edit.lot set priority = 1 where ${lot(14)}`,
      sequence: 14n,
      finds: "has priority 1, and not 0",
    },
    {
      what: "a refund of nothing",
      sql: entry(13, "points = 0, allocations = null"),
      sequence: 13n,
      finds: "moves nothing",
    },
  ])("$what", async ({ sql: damage, sequence, finds }) => {
    await dropChecks(database);
    await database.query(damage);
    await rehashAda(database, 1);
    expect((await verify(database.orm)).wrong).toEqual([{ userId: "ada", sequence, what: finds }]);
  });
});
