import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareBurnOrder, isOpen, type Lot, sumLots } from "../../src/ledger/lot.ts";
import { packLots } from "../../src/store/batch/packed-lots.ts";
import {
  type FoundLots,
  NO_LOTS,
  type PlacedLots,
  placeLots,
  ROW_MAX_LOTS,
  sumBeyond,
} from "../../src/store/batch/placement.ts";

type Case = {
  readonly title: string;
  /** The lots in the row, and those of the table that were loaded. */
  readonly row?: readonly string[];
  readonly table?: readonly string[];
  /** The rest of the table: its lots, and what they have remaining. */
  readonly beyond?: readonly [count: number, remaining: bigint];
  /** All of the rest that can be spent burns after this lot. */
  readonly frontier?: string;
  readonly changed: readonly string[];
  readonly becomes: {
    readonly row: readonly string[];
    readonly inserted?: readonly string[];
    readonly updated?: readonly string[];
    readonly deleted?: readonly number[];
    readonly beyond?: readonly [count: number, remaining: bigint];
  };
};

// A lot is "number priority remaining frozen": priorities alone make the order here.
const FULL = Array.from({ length: ROW_MAX_LOTS }, (_, index) => `${index + 1} ${index + 1} 5 0`);

describe("the lots of an account are placed where", () => {
  test.each<Case>([
    {
      title: "a first lot goes to the row",
      changed: ["1 0 5 0"],
      becomes: { row: ["1 0 5 0"] },
    },
    {
      title: "a closed lot leaves the row and is nowhere",
      row: ["1 0 5 0", "2 0 5 0"],
      changed: ["1 0 0 0"],
      becomes: { row: ["2 0 5 0"] },
    },
    {
      title: "a lot of which everything is frozen stays in the row",
      row: ["1 0 5 0", "2 0 5 0"],
      changed: ["1 0 0 5"],
      becomes: { row: ["1 0 0 5", "2 0 5 0"] },
    },
    {
      title: "a lot that burns after a full row goes to the table",
      row: FULL,
      changed: ["17 17 5 0"],
      becomes: { row: FULL, inserted: ["17 17 5 0"], beyond: [1, 5n] },
    },
    {
      title: "a lot that burns before a full row pushes the last one to the table",
      row: FULL,
      changed: ["17 0 5 0"],
      becomes: {
        row: ["17 0 5 0", ...FULL.slice(0, -1)],
        inserted: [FULL.at(-1)!],
        beyond: [1, 5n],
      },
    },
    {
      title: "a frozen lot makes room in a full row for one that can be spent",
      row: FULL,
      changed: ["1 1 0 5", "17 17 5 0"],
      becomes: {
        row: [...FULL.slice(1), "17 17 5 0"],
        inserted: ["1 1 0 5"],
        beyond: [1, 0n],
      },
    },
    {
      title: "a lot that burns after lots that were not loaded goes to them",
      row: ["1 1 5 0"],
      beyond: [1, 5n],
      frontier: "1 1 5 0",
      changed: ["9 9 5 0"],
      becomes: { row: ["1 1 5 0"], inserted: ["9 9 5 0"], beyond: [2, 10n] },
    },
    {
      title: "a lot that burns before the row's last goes to the row, whatever was not loaded",
      row: ["1 1 5 0"],
      beyond: [1, 5n],
      frontier: "1 1 5 0",
      changed: ["9 0 5 0"],
      becomes: { row: ["9 0 5 0", "1 1 5 0"], beyond: [1, 5n] },
    },
    {
      title: "a lot goes to the table if nothing is known of those that were not loaded",
      beyond: [1, 5n],
      changed: ["9 0 5 0"],
      becomes: { row: [], inserted: ["9 0 5 0"], beyond: [2, 10n] },
    },
    {
      title: "lots that were not loaded do not matter if all of them is frozen",
      row: ["1 1 5 0"],
      beyond: [1, 0n],
      frontier: "1 1 5 0",
      changed: ["9 9 5 0"],
      becomes: { row: ["1 1 5 0", "9 9 5 0"], beyond: [1, 0n] },
    },
    {
      title: "loaded lots fill the row again",
      row: ["1 1 5 0"],
      table: ["2 2 5 0", "3 3 5 0"],
      beyond: [1, 5n],
      frontier: "3 3 5 0",
      changed: ["1 1 0 0", "2 2 3 0"],
      becomes: { row: ["2 2 3 0", "3 3 5 0"], deleted: [2, 3], beyond: [1, 5n] },
    },
    {
      title: "a loaded lot stays in the table if lots that were not loaded may burn before it",
      row: ["1 1 5 0"],
      table: ["9 9 0 5"],
      beyond: [1, 5n],
      frontier: "1 1 5 0",
      changed: ["9 9 5 0"],
      becomes: { row: ["1 1 5 0"], updated: ["9 9 5 0"], beyond: [2, 10n] },
    },
    {
      title: "a lot of the table that was only looked at is not written",
      row: FULL,
      table: ["17 17 5 0"],
      frontier: "17 17 5 0",
      changed: ["16 16 4 0"],
      becomes: { row: [...FULL.slice(0, -1), "16 16 4 0"], beyond: [1, 5n] },
    },
    {
      title: "a lot of the table that is closed is deleted there",
      row: ["1 1 5 0"],
      table: ["9 9 0 5"],
      changed: ["9 9 0 0"],
      becomes: { row: ["1 1 5 0"], deleted: [9] },
    },
    {
      title: "a lot that was made again from its entry is a new one",
      row: ["2 2 5 0"],
      changed: ["1 1 3 0"],
      becomes: { row: ["1 1 3 0", "2 2 5 0"] },
    },
  ])("$title", ({ row = [], table = [], beyond, frontier, changed, becomes }) => {
    const [count, remaining] = beyond ?? [0, 0n];
    const found: FoundLots = {
      row: row.map(parse),
      table: table.map(parse),
      beyond: { count, remaining, frozen: 0n, scoped: 0n },
      frontier: frontier === undefined ? undefined : parse(frontier),
    };
    const placed = placeLots(found, changed.map(parse));
    const [allCount, allRemaining] = becomes.beyond ?? [0, 0n];
    expect({
      ...placed,
      row: placed.row.map(print),
      inserted: placed.inserted.map(print),
      updated: placed.updated.map(print),
    }).toEqual({
      inserted: [],
      updated: [],
      ...becomes,
      deleted: (becomes.deleted ?? []).map(BigInt),
      beyond: {
        count: allCount,
        remaining: allRemaining,
        frozen: expect.any(BigInt) as bigint,
        scoped: 0n,
      },
    });
  });
});

/** An account's lots as the database has them, and as a plain list: what the two must agree on. */
type Stored = { row: readonly Lot[]; table: Lot[]; beyond: PlacedLots["beyond"]; plain: Lot[] };

type Move =
  | ({ readonly kind: "recharge" } & Pick<Lot, "points" | "priority" | "category" | "services">)
  | { readonly kind: "spend" | "freeze"; readonly points: bigint }
  | { readonly kind: "unfreeze" | "refund"; readonly pick: number };

test("random moves of points keep each lot in one place, the sums, and the order", () => {
  let most = 0;
  fc.assert(
    fc.property(fc.array(randomBatch(), { minLength: 10, maxLength: 60 }), (batches) => {
      const stored: Stored = { row: [], table: [], beyond: NO_LOTS.beyond, plain: [] };
      for (const batch of batches) {
        apply(stored, batch);
        expectPlaced(stored);
        most = Math.max(most, stored.table.length);
      }
    }),
    { numRuns: 300 },
  );
  expect(most).toBeGreaterThan(ROW_MAX_LOTS);
});

function randomBatch(): fc.Arbitrary<readonly Move[]> {
  const points = fc.bigInt({ min: 1n, max: 20n });
  const pick = fc.nat(1_000);
  const kind = <Kind extends string>(name: Kind) => fc.constant(name);
  const move = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: kind("recharge"),
        points,
        priority: fc.nat(20),
        category: fc.constantFrom("", "付".repeat(32)),
        services: fc.constantFrom([], [], ["tts"], ["x".repeat(128), "y".repeat(128)]),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("spend", "freeze"), points }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("unfreeze", "refund"), pick }) },
  ) as fc.Arbitrary<Move>;
  return fc.array(move, { minLength: 1, maxLength: 6 });
}

/** Does to the stored lots what a batch does, with no more of the table than it loads. */
function apply(stored: Stored, batch: readonly Move[]): void {
  const named = new Set(batch.flatMap((move) => picked(stored, move)?.number ?? []));
  const demand = batch.reduce((sum, move) => ("pick" in move ? sum : sum + pointsOf(move)), 0n);
  const found = load(stored, demand, named);
  const lots = new Map([...found.row, ...found.table].map((lot) => [lot.number, lot]));
  for (const lot of stored.plain) {
    if (named.has(lot.number) && !isOpen(lot)) lots.set(lot.number, lot);
  }
  const before = new Map(lots);
  const put = (lot: Lot) => lots.set(lot.number, lot);
  const picks = batch.map((move) => picked(stored, move)?.number);
  for (const [index, move] of batch.entries()) {
    if (move.kind === "recharge") {
      const number = BigInt(stored.plain.length + lots.size - before.size + 1);
      const { points, priority } = move;
      const { services, category } = move;
      const made = { number, points, remaining: points, frozen: 0n, expireTime: null };
      put({ ...made, priority, services, category });
    } else if ("pick" in move) {
      const lot = picks[index] === undefined ? undefined : lots.get(picks[index]);
      if (lot !== undefined) put(moved(lot, move.kind));
    } else {
      for (const lot of burn([...lots.values()], move.points, move.kind)) put(lot);
    }
  }
  const changed = [...lots.values()].filter((lot) => before.get(lot.number) !== lot);
  write(stored, placeLots(found, changed));
  const plain = new Map(stored.plain.map((lot) => [lot.number, lot]));
  for (const lot of changed) plain.set(lot.number, lot);
  stored.plain = [...plain.values()].toSorted((a, b) => Number(a.number - b.number));
}

/** As the store does: the first lots of the table, if the row is short, and named ones. */
function load({ row, table, beyond }: Stored, demand: bigint, named: Set<bigint>): FoundLots {
  const lacking = demand - sumLots(row).remaining;
  const isShort = lacking > 0n && beyond.remaining > 0n;
  const inOrder = table.toSorted(compareBurnOrder);
  let supply = 0n;
  const first = !isShort
    ? []
    : inOrder.filter(({ remaining }) => {
        supply += remaining;
        return supply - remaining <= lacking;
      });
  const loaded = inOrder.filter((lot) => first.includes(lot) || named.has(lot.number));
  const others = table.filter((lot) => !loaded.includes(lot));
  return {
    row,
    table: loaded,
    beyond: sumBeyond(others),
    frontier: first.at(-1) ?? row.findLast(({ remaining }) => remaining > 0n),
  };
}

function picked({ plain }: Stored, move: Move): Lot | undefined {
  return "pick" in move && plain.length > 0 ? plain[move.pick % plain.length] : undefined;
}

function pointsOf(move: Move): bigint {
  return move.kind === "spend" || move.kind === "freeze" ? move.points : 0n;
}

/** All frozen points come back, or all spent ones. */
function moved(lot: Lot, kind: "unfreeze" | "refund"): Lot {
  if (kind === "unfreeze") return { ...lot, remaining: lot.remaining + lot.frozen, frozen: 0n };
  return { ...lot, remaining: lot.points - lot.frozen };
}

/** Takes points in burn order; nothing if there are too few. */
function burn(lots: readonly Lot[], points: bigint, kind: "spend" | "freeze"): readonly Lot[] {
  const all = lots.toSorted(compareBurnOrder);
  if (sumLots(all).remaining < points) return [];
  let left = points;
  return all.flatMap((lot) => {
    const taken = lot.remaining < left ? lot.remaining : left;
    if (taken === 0n) return [];
    left -= taken;
    const frozen = kind === "freeze" ? lot.frozen + taken : lot.frozen;
    return [{ ...lot, remaining: lot.remaining - taken, frozen }];
  });
}

function write(stored: Stored, { row, inserted, updated, deleted, beyond }: PlacedLots): void {
  const table = new Map(stored.table.map((lot) => [lot.number, lot]));
  for (const number of deleted) expect(table.delete(number)).toBe(true);
  for (const lot of updated) expect(table.has(lot.number)).toBe(true);
  for (const lot of inserted) expect(table.has(lot.number)).toBe(false);
  for (const lot of [...updated, ...inserted]) table.set(lot.number, lot);
  stored.row = row;
  stored.table = [...table.values()];
  stored.beyond = beyond;
}

function expectPlaced({ row, table, beyond, plain }: Stored): void {
  const placed = [...row, ...table].toSorted((a, b) => Number(a.number - b.number));
  expect(placed).toEqual(plain.filter(isOpen));
  const scoped = sumLots(table.filter(({ services }) => services.length > 0)).remaining;
  expect(beyond).toEqual({ ...sumLots(table), count: table.length, scoped });
  expect(row.length).toBeLessThanOrEqual(ROW_MAX_LOTS);
  expect(packLots(row).length).toBeLessThanOrEqual(2_048);
  expect(row).toEqual(row.toSorted(compareBurnOrder));
  const last = row.findLast(({ remaining }) => remaining > 0n);
  const next = table.filter(({ remaining }) => remaining > 0n).toSorted(compareBurnOrder)[0];
  if (last === undefined || next === undefined) return;
  expect(compareBurnOrder(last, next)).toBeLessThan(0);
}

function parse(text: string): Lot {
  const [number, priority, remaining, frozen] = text.split(" ");
  return {
    number: BigInt(number!),
    points: 5n,
    remaining: BigInt(remaining!),
    frozen: BigInt(frozen!),
    priority: Number(priority),
    expireTime: null,
    category: "",
    services: [],
  };
}

function print({ number, priority, remaining, frozen }: Lot): string {
  return `${number} ${priority} ${remaining} ${frozen}`;
}
