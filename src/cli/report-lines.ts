import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import type { Sum } from "../../gen/points/v1/ledger_pb.ts";
import { UserError } from "../errors/user-error.ts";

/** The lines of a report, in their order; some of them are there for each category or service. */
export const LINES = [
  "opening",
  "issued",
  "refunded",
  "consumed",
  "expired",
  "revoked",
  "repaid from holds",
  "other entries",
  "closing",
] as const;
export type LineName = (typeof LINES)[number];

/** The figures of a line: what there is, or with sign what came to it. net = held − debt. */
export type Figures = {
  readonly entries: bigint;
  /** Points that users have: balance and frozen. */
  readonly held: bigint;
  readonly debt: bigint;
  readonly net: bigint;
};

/** A line of a report. */
export type Line = Figures & {
  readonly line: LineName;
  /** The category of what was issued, or the service. Empty: none, or the line is of all. */
  readonly of: string;
};

/** What a report needs of a sum. */
export type ReportSum = Pick<
  Sum,
  "kind" | "service" | "category" | "entries" | "points" | "owed" | "repaid"
>;

/**
 * The lines of a report in their order.
 *
 * @param opening the sums by kind of all before the range
 * @param inside those of the range by kind, service and category
 * @param closing those by kind of all up to the end of the range
 * @throws {UserError} if there is a kind of entries that this version does not know
 */
export function reportLines({
  opening,
  inside,
  closing,
}: {
  readonly opening: readonly ReportSum[];
  readonly inside: readonly ReportSum[];
  readonly closing: readonly ReportSum[];
}): Line[] {
  const first = { line: "opening", of: "", ...totalOf(opening.flatMap(movesOf)) } as const;
  const last = { line: "closing", of: "", ...totalOf(closing.flatMap(movesOf)) } as const;
  const lines = new Map<string, Line>();
  for (const line of ALWAYS) addTo(lines, { line, of: "", ...NOTHING });
  for (const sum of inside) for (const move of movesOf(sum)) addTo(lines, move);
  const named = new Set([...lines.values()].filter(({ of }) => of !== "").map(({ line }) => line));
  // A line without a name stands for none at all unless others of it have names.
  const shown = [...lines.values()].filter((line) => !(named.has(line.line) && isNothing(line)));
  return inOrder([first, ...shown, last]);
}

/** Whether each column adds up from the opening to the closing. */
export function addsUp(lines: readonly Line[]): boolean {
  const closing = lines.find(({ line }) => line === "closing")!;
  const total = totalOf(lines.filter((line) => line !== closing));
  return FIGURES.every((figure) => total[figure] === closing[figure]);
}

/** What has changed since an earlier report of the same days: the lines that differ, by how much. */
export function changesSince(earlier: readonly Line[], lines: readonly Line[]): Line[] {
  const changes = new Map<string, Line>();
  for (const line of lines) addTo(changes, line);
  for (const line of earlier) addTo(changes, { ...line, ...negative(line) });
  return inOrder([...changes.values()].filter((change) => !isNothing(change)));
}

/** The names of the figures, in the order of their columns. */
export const FIGURES = ["entries", "held", "debt", "net"] as const;

export const NOTHING: Figures = { entries: 0n, held: 0n, debt: 0n, net: 0n };

/** Lines that are there though nothing came to them. */
const ALWAYS = ["issued", "refunded", "consumed", "expired", "revoked"] as const;

/** Where the entries of each kind belong, by what, and the sign of their points in held − debt. */
const KINDS: Record<
  EntryKind,
  {
    readonly line: LineName;
    readonly by?: "category" | "service";
    readonly sign: bigint;
  } | null
> = {
  [EntryKind.UNSPECIFIED]: null,
  [EntryKind.RECHARGE]: { line: "issued", by: "category", sign: 1n },
  [EntryKind.REFUND]: { line: "refunded", by: "service", sign: 1n },
  [EntryKind.CONSUME]: { line: "consumed", by: "service", sign: -1n },
  [EntryKind.SETTLE]: { line: "consumed", by: "service", sign: -1n },
  [EntryKind.EXPIRE]: { line: "expired", sign: -1n },
  [EntryKind.REVOKE]: { line: "revoked", sign: -1n },
  // Points that are frozen are held as before.
  [EntryKind.FREEZE]: { line: "other entries", sign: 0n },
  [EntryKind.EXTEND]: { line: "other entries", sign: 0n },
  [EntryKind.RELEASE]: { line: "other entries", sign: 0n },
  [EntryKind.SET_POLICY]: { line: "other entries", sign: 0n },
  [EntryKind.ERASE]: { line: "other entries", sign: 0n },
};

/**
 * What a sum comes to. What came back of a hold and repaid debt is neither issued nor consumed, and
 * has a line of its own.
 */
function movesOf(sum: ReportSum): Line[] {
  const kind = KINDS[sum.kind] ?? null;
  if (kind === null) {
    throw new UserError(`the ledger has entries of a kind ${sum.kind}: use its version of points`);
  }
  const { line, by, sign } = kind;
  const { entries, points, owed, repaid } = sum;
  const of = by === undefined ? "" : sum[by];
  const isOfHold = sum.kind === EntryKind.SETTLE || sum.kind === EntryKind.RELEASE;
  const net = sign * points;
  const debt = isOfHold ? owed : owed - repaid;
  const move: Line = { line, of, entries, held: net + debt, debt, net };
  if (!isOfHold || repaid === 0n) return [move];
  const back = { entries: 0n, held: -repaid, debt: -repaid, net: 0n };
  return [move, { line: "repaid from holds", of: "", ...back }];
}

function addTo(lines: Map<string, Line>, move: Line): void {
  const key = `${move.line}\n${move.of}`;
  const before = lines.get(key);
  lines.set(key, before === undefined ? move : { ...move, ...totalOf([before, move]) });
}

function totalOf(all: readonly Figures[]): Figures {
  const total = { ...NOTHING };
  for (const one of all) for (const figure of FIGURES) total[figure] += one[figure];
  return total;
}

function negative({ entries, held, debt, net }: Figures): Figures {
  return { entries: -entries, held: -held, debt: -debt, net: -net };
}

function isNothing(figures: Figures): boolean {
  return FIGURES.every((figure) => figures[figure] === 0n);
}

function inOrder(lines: readonly Line[]): Line[] {
  const place = ({ line }: Line) => LINES.indexOf(line);
  return lines.toSorted((a, b) => place(a) - place(b) || (a.of < b.of ? -1 : 1));
}
