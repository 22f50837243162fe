import { expect, onTestFinished, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { KIND_NUMBERS, kindOf } from "../../src/ledger/entry-kinds.ts";
import { testDatabase } from "../support/database.ts";

test("kinds have the contract's numbers, and the view journal names them alike", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const named = Object.entries(KIND_NUMBERS);
  const ofContract = Object.entries(EntryKind).filter(([name]) => name !== "UNSPECIFIED");
  expect(named.map(([name, number]) => [inSnakeCase(name).toUpperCase(), number])).toEqual(
    ofContract,
  );
  for (const [name, number] of named) {
    expect(kindOf(number)).toBe(name);
    await database.query(
      `insert into points.entry (user_id, sequence, kind, points, balance, total_recharged,
         total_consumed, create_time, hash, epoch, feed, refers_to, policy, erased_hash)
       values ('ada', $1::smallint, $1::smallint, 0, 0, 0, 0, now(), sha256(''), 1, 1,
         case when $1::smallint in (5, 6, 7, 9) then 1 end, case when $1::smallint = 10 then '' end,
         case when $1::smallint = 11 then sha256('') end)`,
      [number],
    );
  }
  const rows = await database.query("select sequence::int, kind from points.journal");
  expect(rows.map(({ sequence, kind }) => [kind, sequence])).toEqual(
    named.map(([name, number]) => [inSnakeCase(name), number]),
  );
});

function inSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

test("a number of no kind is refused", () => {
  expect(() => kindOf(0)).toThrow("no kind of entry has the number 0");
});
