import type { Orm } from "../store/orm.ts";
import type { AccountRow } from "../store/accounts.ts";
import { inSnapshot, type Run } from "../store/transaction.ts";
import {
  endReplay,
  type Flaw,
  type Replay,
  replayStep,
  rowNames,
  startReplay,
  type Step,
} from "./replay.ts";
import {
  impossibleReceipts,
  readAccountRow,
  readAccountRows,
  readSteps,
  reusedRequests,
  type Span,
} from "./rows.ts";

/** What was found. */
export type Verification = {
  /** How many accounts, and entries of theirs, were read. */
  readonly accounts: number;
  readonly entries: number;
  /** Of each account that is not in order, the first thing that is wrong. */
  readonly wrong: readonly Wrong[];
};

/** What is wrong with an account. */
export type Wrong = Flaw & { readonly userId: string };

type Options = {
  /** Which users' accounts; undefined: all. */
  readonly userIds?: readonly string[] | undefined;
  /** Called now and then with what was read so far. */
  readonly onProgress?: ((read: { accounts: number; entries: number }) => void) | undefined;
};

const PAGE_ACCOUNTS = 500;

/**
 * Checks accounts against all that the ledger promises, by replaying their journals: the hash
 * chain, the figures after each entry, lots, holds and refunds, request ids, and that no row is
 * missing or too many. What was deleted without a trace elsewhere cannot be seen: an account with
 * all that is its, or a receipt.
 *
 * It locks nothing and writes nothing, and may run beside servers: each page of accounts is read
 * in one snapshot. In memory it keeps a page of entries, and of one account the open lots and holds
 * and the entries whose refunds it has not reached yet.
 *
 * @throws what the database throws
 */
export async function verify(orm: Orm, options: Options = {}): Promise<Verification> {
  const found: Found = { accounts: 0, entries: 0, wrong: [] };
  const onProgress = () => options.onProgress?.(found);
  if (options.userIds !== undefined) {
    const userIds = [...new Set(options.userIds)].toSorted();
    for (let at = 0; at < userIds.length; at += PAGE_ACCOUNTS) {
      const span = { userIds: userIds.slice(at, at + PAGE_ACCOUNTS) };
      await inSnapshot(orm, async (run) => {
        const rows = await readAccountRows(run, span, PAGE_ACCOUNTS);
        await verifySpan(run, span, rows, found, onProgress);
      });
    }
    return found;
  }
  let after: string | undefined;
  do {
    after = await inSnapshot(orm, async (run) => {
      const rows = await readAccountRows(run, { after, upTo: undefined }, PAGE_ACCOUNTS);
      const upTo = rows.length < PAGE_ACCOUNTS ? undefined : rows.at(-1)?.user_id;
      await verifySpan(run, { after, upTo }, rows, found, onProgress);
      return upTo;
    });
  } while (after !== undefined);
  return found;
}

type Found = { accounts: number; entries: number; wrong: Wrong[] };

/** Verifies the accounts of a span, and finds the rows in it that have no account. */
async function verifySpan(
  run: Run,
  span: Span,
  rows: readonly AccountRow[],
  found: Found,
  onProgress: () => void,
): Promise<void> {
  const accounts = new Map(rows.map((row) => [row.user_id, row]));
  const reused = await reusedRequests(run, span);
  const flaws = new Map<string, Flaw>();
  const seen = new Set<string>();
  const note = (userId: string, flaw: Flaw | undefined) => {
    if (flaw !== undefined && !flaws.has(userId)) flaws.set(userId, flaw);
  };

  let replay: Replay | undefined;
  for await (const steps of readSteps(run, span)) {
    for (const step of steps) {
      const { userId, entry } = step;
      if (entry !== undefined) found.entries += 1;
      if (replay?.userId !== userId) {
        if (replay !== undefined) note(replay.userId, endOf(replay, accounts));
        replay = startReplay(userId);
        seen.add(userId);
      }
      if (!flaws.has(userId)) note(userId, flawOfStep(replay, step, accounts, reused));
    }
    onProgress();
  }
  if (replay !== undefined) note(replay.userId, endOf(replay, accounts));
  for (const userId of accounts.keys()) {
    if (!seen.has(userId)) note(userId, endOf(startReplay(userId), accounts));
  }
  for (const { userId, what } of await impossibleReceipts(run, span)) note(userId, { what });
  for (const userId of "userIds" in span ? span.userIds : []) {
    if (!accounts.has(userId)) note(userId, { what: "there is no such account" });
  }

  found.accounts += accounts.size;
  for (const [userId, flaw] of flaws) found.wrong.push({ userId, ...flaw });
  onProgress();
}

type Accounts = ReadonlyMap<string, AccountRow>;

function flawOfStep(
  replay: Replay,
  step: Step,
  accounts: Accounts,
  reused: Awaited<ReturnType<typeof reusedRequests>>,
): Flaw | undefined {
  const { userId, number: sequence } = step;
  if (!accounts.has(userId)) {
    const names = step.entry === undefined ? rowNames(step) : ["entry"];
    return { sequence, what: `there is this ${names.join(" and ")}, and no account` };
  }
  const again = reused.get(userId);
  const flaw = replayStep(replay, step);
  if (flaw === undefined && again?.sequence === sequence) {
    return { sequence, what: `has request id ${again.requestId}, which was used before` };
  }
  return flaw;
}

function endOf(replay: Replay, accounts: Accounts): Flaw | undefined {
  const row = accounts.get(replay.userId);
  if (row === undefined) return undefined;
  const account = readAccountRow(row);
  if (account === undefined) return { what: "the account's row cannot be read" };
  return endReplay(replay, account);
}
