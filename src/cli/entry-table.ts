import {
  type Account,
  type Allocation,
  type Entry,
  EntryKind,
} from "../../gen/points/v1/account_pb.ts";
import { ruleText } from "./policy-text.ts";
import { type Column, growingTable, table } from "./table.ts";
import { timeText } from "./time-text.ts";

/**
 * A table with a line for each entry, in the order given; with members, and with actors, if any entry
 * has one.
 */
export function statementTable(entries: readonly Entry[]): string {
  const hasMembers = entries.some(({ member }) => member !== "");
  const hasActors = entries.some(({ actor }) => actor !== "");
  const columns = COLUMNS.filter((column) => column !== MEMBER || hasMembers).filter(
    (column) => column !== ACTOR || hasActors,
  );
  return table(columns, rowsOf(columns, entries));
}

/** A table of entries of all accounts, which come bit by bit: see `growingTable`. */
export function streamTable(): (entries: readonly Entry[]) => string {
  const columns = [USER, ...COLUMNS];
  const lines = growingTable(columns);
  return (entries) => lines(rowsOf(columns, entries));
}

/** The answer of a mutation: its entry, and the balance after it. */
export function answerText(
  answer: {
    readonly entry?: Entry | undefined;
    readonly account?: Account | undefined;
    readonly replayed: boolean;
  },
  { validateOnly }: { readonly validateOnly: boolean },
): string {
  const { entry, account, replayed } = answer;
  const lines = [statementTable(entry === undefined ? [] : [entry]), ""];
  if (replayed) lines.push("This was answered before, and nothing was changed.");
  else if (validateOnly) lines.push("So it would be now. Nothing was changed.");
  const frozen = account?.frozen ? `, frozen ${account.frozen}` : "";
  const debt = account?.debt ? `, debt ${account.debt}` : "";
  lines.push(`balance ${account?.balance}${frozen}${debt}`);
  return lines.join("\n");
}

/** How many points of which lots. */
export function allocationsText(allocations: readonly Allocation[]): string {
  return allocations.map(({ lot, points }) => `${points} of #${lot}`).join(", ");
}

type EntryColumn = Column & { readonly cell: (entry: Entry) => string };

const USER: EntryColumn = { title: "user", cell: ({ userId }) => userId };
const MEMBER: EntryColumn = { title: "member", cell: ({ member }) => member };
const ACTOR: EntryColumn = { title: "actor", cell: ({ actor }) => actor };
const COLUMNS: readonly EntryColumn[] = [
  { title: "#", toRight: true, cell: ({ sequence }) => String(sequence) },
  { title: "time (UTC)", cell: ({ createTime }) => timeText(createTime) },
  { title: "what", cell: kindText },
  {
    title: "for",
    cell: ({ metadata, usage, cause }) => metadata["for"] ?? usage?.service ?? cause,
  },
  MEMBER,
  ACTOR,
  { title: "points", toRight: true, cell: pointsText },
  { title: "balance", toRight: true, cell: ({ balanceAfter }) => String(balanceAfter) },
  { title: "frozen", toRight: true, cell: ({ frozenAfter }) => String(frozenAfter) },
  { title: "lots", cell: lotsText },
];

function rowsOf(columns: readonly EntryColumn[], entries: readonly Entry[]): string[][] {
  return entries.map((entry) => columns.map(({ cell }) => cell(entry)));
}

/** The name of each kind, and the sign of its points in the balance. */
const KINDS: Record<EntryKind, { name: string; sign: string }> = {
  [EntryKind.UNSPECIFIED]: { name: "unknown", sign: "" },
  [EntryKind.RECHARGE]: { name: "recharge", sign: "+" },
  [EntryKind.CONSUME]: { name: "consume", sign: "-" },
  [EntryKind.EXPIRE]: { name: "expire", sign: "-" },
  [EntryKind.FREEZE]: { name: "freeze", sign: "-" },
  // It spends frozen points, which the balance no longer has.
  [EntryKind.SETTLE]: { name: "settle", sign: "" },
  [EntryKind.RELEASE]: { name: "release", sign: "+" },
  [EntryKind.REFUND]: { name: "refund", sign: "+" },
  [EntryKind.REVOKE]: { name: "revoke", sign: "-" },
  [EntryKind.EXTEND]: { name: "extend", sign: "-" },
  [EntryKind.SET_POLICY]: { name: "set policy", sign: "" },
  [EntryKind.ERASE]: { name: "erase", sign: "" },
};

function kindText({ kind, refersTo, fromClaim }: Entry): string {
  // A newer server may have kinds that this version does not know.
  const { name } = KINDS[kind] ?? KINDS[EntryKind.UNSPECIFIED];
  const about = refersTo === 0n ? name : `${name} #${refersTo}`;
  return fromClaim ? `${about} (claimed)` : about;
}

function pointsText({ kind, points }: Entry): string {
  return `${points === 0n ? "" : (KINDS[kind]?.sign ?? "")}${points}`;
}

/** What became of points that were not taken. */
function uncoveredText({ kind, refersTo }: Pick<Entry, "kind" | "refersTo">): string {
  if (kind === EntryKind.REFUND) return "no longer claimed";
  return kind === EntryKind.REVOKE && refersTo !== 0n ? "claimed" : "not covered";
}

/** The lots, and all that the other columns do not say. */
function lotsText({ allocations, keptOpen, policy, alerts, ...entry }: Entry): string {
  const { returned, fromBalance, owed, uncovered, repaid } = entry;
  const beside = [
    [returned, "went back"],
    [fromBalance, "of it beyond the hold"],
    [owed, "owed"],
    [uncovered, uncoveredText(entry)],
    [repaid, "repaid debt"],
  ] as const;
  const texts = beside
    .filter(([points]) => points > 0n)
    .map(([points, text]) => `${points} ${text}`);
  const said = [
    policy === undefined ? "" : `${policy.name}: ${ruleText(policy)}`,
    allocationsText(allocations),
    ...texts,
    keptOpen ? "stays open" : "",
    ...alerts.map((name) => `alert ${name}`),
  ];
  return said.filter((text) => text !== "").join("; ");
}
