import { type Entry, EntryKind } from "../../../gen/points/v1/account_pb.ts";
import type { Asked, Attempt, History } from "../load/history.ts";
import { microsOf } from "../oracle/time.ts";
import type { Finding } from "./check.ts";
import type { Reading } from "./read-account.ts";

const BEFORE = 30;
const AFTER = 10;
const FINDINGS_MAX = 10;

/** An account's history for people: the findings, the entries around them, the attempts. */
export function showAccount(
  history: History,
  { entries, account, moment }: Reading,
  findings: readonly Finding[],
): string {
  const wrong = findings.map(({ kind, what }) => `${kind}: ${what}`).slice(0, FINDINGS_MAX);
  const about = Number(findings.find(({ sequence }) => sequence !== undefined)?.sequence ?? 1n);
  const near = entries.slice(Math.max(0, about - BEFORE), about + AFTER);
  const tags = new Set(findings.flatMap(({ tag }) => (tag === undefined ? [] : [tag])));
  for (const entry of near) tags.add(entry.metadata["tag"] ?? entry.requestId);
  const asked = history.asked.filter(({ tag }) => tags.has(tag));
  return [
    `Account ${history.userId}, read at ${moment.toFixed(3)} with ${account.balance} points and ` +
      `${entries.length} entries`,
    ...wrong,
    `Entries ${near[0]?.sequence ?? 0n} to ${near.at(-1)?.sequence ?? 0n}:`,
    ...near.map(lineOfEntry),
    "What was asked, and answered (milliseconds of the run):",
    ...asked.flatMap(linesOfAsked),
  ].join("\n  ");
}

function lineOfEntry(entry: Entry): string {
  const { sequence, kind, points, allocations, createTime, refersTo, requestId, metadata } = entry;
  const parts = allocations.map(({ lot, points: some }) => `${some} of lot ${lot}`).join(", ");
  const of = refersTo === 0n ? "" : ` of ${refersTo}`;
  const whose = metadata["tag"] ?? requestId;
  const after = `balance ${entry.balanceAfter}, frozen ${entry.frozenAfter}`;
  const time = createTime && microsOf(createTime);
  const ends = entry.expireTime === undefined ? "" : ` until ${microsOf(entry.expireTime)}`;
  return (
    `${sequence} at ${time}: ${KIND_NAMES.get(kind)}${of} ${points} (${parts})${ends}; ${after} ` +
    `[${whose === "" ? "the ledger" : whose}]`
  );
}

function linesOfAsked({ tag, operation, attempts }: Asked): string[] {
  const { $typeName: _, ...value } = operation.value as Record<string, unknown>;
  return [
    `${tag} ${operation.case} ${JSON.stringify(value, plain)}`,
    ...attempts.map(lineOfAttempt),
  ];
}

function lineOfAttempt({ start, end, call, place, outcome }: Attempt): string {
  const when = `${start.toFixed(3)} to ${end.toFixed(3)}`;
  return `    call ${call}, place ${place}, ${when}: ${outcomeLine(outcome)}`;
}

function outcomeLine(outcome: Attempt["outcome"]): string {
  if (outcome === undefined) return "no outcome";
  if (outcome.kind !== "applied") {
    const metadata = outcome.kind === "refused" ? ` ${JSON.stringify(outcome.metadata)}` : "";
    return `${outcome.kind} ${outcome.reason}${metadata}`;
  }
  const { replayed, sequence, entry } = outcome;
  const what = entry === undefined ? "nothing to do after" : "applied as";
  return `${replayed ? "again: " : ""}${what} entry ${sequence}`;
}

function plain(key: string, value: unknown): unknown {
  if (key === "$typeName") return undefined;
  return typeof value === "bigint" ? String(value) : value;
}

const KIND_NAMES = new Map<EntryKind, string>(
  Object.entries(EntryKind).map(([name, kind]) => [kind, name]),
);
