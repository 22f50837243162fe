import { describe, expect, test } from "vitest";
import { answer, changesOf, startBatch } from "../../src/ledger/batch.ts";
import type { Command } from "../../src/ledger/command.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import type { FirstPolicy } from "../../src/ledger/first-policies.ts";
import type { Allowance } from "../../src/ledger/policy.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import { expire, open, recharge } from "../support/commands.ts";
import { NO_REPEATS } from "../support/salts.ts";
import { entryLine, NOW, stateOf } from "../support/statement.ts";

const DAY = 86_400_000_000n;

const LOW: FirstPolicy = { name: "low", rule: { kind: "alert", below: 10n } };
const CREDIT: FirstPolicy = { name: "credit", rule: { kind: "creditLine", points: 5n } };
const cap = (points: bigint): FirstPolicy => ({
  name: "cap",
  rule: {
    kind: "limit",
    points,
    window: { kind: "total" },
    member: "",
    eachMember: false,
    service: "",
  },
});
const ENDING_AT: Allowance = {
  kind: "allowance",
  points: 30n,
  every: { count: 1, unit: "day" },
  startTime: NOW,
  timeZone: "UTC",
  life: { kind: "periods", count: 1 },
  priority: 0,
  category: "",
  services: [],
  endTime: null,
};
const daily = (endTime: bigint | null = null): FirstPolicy => ({
  name: "daily",
  rule: { ...ENDING_AT, startTime: undefined, endTime },
});
const putPolicy = (policy: FirstPolicy): Command => ({
  kind: "putPolicy",
  userId: "ada",
  request: undefined,
  metadata: new Map(),
  caller: "",
  actor: "",
  ...policy,
});

describe("a new account gets the first policies, by name, after what made it:", () => {
  const cases: [
    made: string,
    command: Command,
    policies: readonly FirstPolicy[],
    lines: readonly string[],
  ][] = [
    ["GetOrCreate", open(), [CREDIT, LOW], ["1 set credit", "2 set low"]],
    [
      "Recharge",
      recharge(50n),
      [cap(9n), LOW],
      ["1 recharge 50: 50 of #1", "2 set cap", "3 set low"],
    ],
    ["PutPolicy", putPolicy(LOW), [CREDIT], ["1 set low", "2 set credit"]],
    [
      "PutPolicy of one of them, which stays",
      putPolicy(cap(7n)),
      [cap(9n), LOW],
      ["1 set cap", "2 set low"],
    ],
    ["an allowance gives at once", open(), [daily()], ["1 set daily", "2 recharge 30: 30 of #2"]],
    [
      "an allowance that ends later",
      open(),
      [daily(NOW + 1n)],
      ["1 set daily", "2 recharge 30: 30 of #2"],
    ],
    ["an allowance that ended is left out", open(), [daily(NOW), LOW], ["1 set low"]],
    ["none", open(), [], []],
  ];
  test.each(cases)("%s", (_, command, policies, lines) => {
    const { batch, results } = run([command], { policies });
    expect(batch.entries.map(line)).toEqual(lines);
    expect(results[0]).toMatchObject({ created: true });
    const isReceipt = lines.length === 0;
    expect(changesOf(batch)).toMatchObject({ receipts: { length: isReceipt ? 1 : 0 } });
  });

  test("what a PutPolicy sets is not set again, even as another kind", () => {
    const own = { name: "cap", rule: { kind: "alert", below: 3n } } as const;
    const { batch } = run([putPolicy(own)], { policies: [cap(9n)] });
    expect(batch.states.get("ada")!.policies).toMatchObject([own]);
  });
});

test("GetOrCreate answers with the account after all of that, a mutation with its own entry", () => {
  const policies = [CREDIT, daily()];
  const { results } = run([open()], { policies });
  expect(results[0]).toMatchObject({ entry: undefined, account: { sequence: 3n, balance: 30n } });
  const recharged = run([recharge(50n)], { policies });
  expect(recharged.results[0]).toMatchObject({
    entry: { sequence: 1n, kind: "recharge" },
    account: { sequence: 1n, balance: 50n },
  });
});

test("their entries name the caller and the actor, and neither request nor metadata", () => {
  const made = {
    ...recharge(50n),
    request: { id: "r1", hash: new Uint8Array(32) },
    metadata: new Map([["for", "order"]]),
    caller: "billing",
    actor: "Ana",
  };
  const said = (entry: Entry) => [
    entry.caller,
    entry.actor,
    entry.request?.id,
    entry.metadata.size,
  ];
  const { batch } = run([made], { policies: [LOW] });
  expect(batch.entries.map(said)).toEqual([
    ["billing", "Ana", "r1", 1],
    ["billing", "Ana", undefined, 0],
  ]);
  const opened = run([{ ...open(), caller: "billing" }], { policies: [LOW] });
  expect(opened.batch.entries.map(said)).toEqual([["billing", "", undefined, 0]]);
});

test("an account that exists gets none, nor one that a refused command did not make", () => {
  const found = run([open(), recharge(5n)], { policies: [LOW], found: true });
  expect(found.batch.entries.map(line)).toEqual(["2 recharge 5: 5 of #2"]);
  const past = recharge(5n, { kind: "at", time: NOW });
  const { batch, results } = run([past, expire({ kind: "due" })], { policies: [LOW] });
  expect(results.every(isRejection)).toBe(true);
  expect(changesOf(batch)).toBeUndefined();
});

test("an account that is only tried gets them in the trial alone", () => {
  const trial: Command = { ...recharge(5n), kind: "recharge", validateOnly: true } as Command;
  const { batch, results } = run([trial], { policies: [LOW] });
  expect(results[0]).toMatchObject({ entry: { sequence: 1n }, created: true });
  expect(changesOf(batch)).toBeUndefined();
});

test("a later command of the batch meets them", () => {
  const { batch } = run([recharge(50n), expire({ kind: "points", points: 45n })], {
    policies: [LOW],
  });
  expect(batch.entries.map(({ alerts }) => alerts)).toEqual([[], [], ["low"]]);
  const next = startBatch(NOW + DAY, { ...NO_REPEATS, found: [...batch.states.values()] });
  expect(next.entries).toEqual([]);
});

/** Runs commands of ada as a batch. */
function run(
  commands: readonly Command[],
  { policies, found = false }: { policies: readonly FirstPolicy[]; found?: boolean },
) {
  const states = found ? [stateOf(["#1: 5 of 5"])] : [];
  const batch = startBatch(NOW, { ...NO_REPEATS, found: states, firstPolicies: policies });
  return { batch, results: commands.map((command) => answer(batch, command)) };
}

function line(entry: Entry): string {
  const { sequence, kind, policy } = entry;
  return kind === "setPolicy" ? `${sequence} set ${policy?.name}` : entryLine(entry);
}
