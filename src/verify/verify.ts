import type { Micros } from "../ledger/time.ts";
import type { Orm } from "../store/driver/orm.ts";
import { inLongSnapshot, inSnapshot, type Run } from "../store/driver/transaction.ts";
import { flawsOfReceipts } from "./receipts.ts";
import { countPlace, type EpochCount, readEpochs } from "./epochs.ts";
import type { Flaw } from "./moves.ts";
import { endReplay, type Replay, replayStep, rowNames, startReplay } from "./replay.ts";
import { type ReadAccount, readAccounts, type Span } from "./accounts.ts";
import { readSteps, type ReusedRequest, reusedRequests, type Step } from "./rows.ts";
import { flawsOfSchema } from "./schema.ts";

/** The result of a verification. */
export type Verification = {
  /** The numbers of accounts and entries that were read. */
  readonly accounts: number;
  readonly entries: number;
  /** The epochs, oldest first, with the numbers of their entries among those. */
  readonly epochs: readonly EpochCount[];
  /** The first flaw of each account that has one. */
  readonly wrong: readonly Wrong[];
  /** The flaws of the tables themselves, a sentence each. */
  readonly schema: readonly string[];
};

/** An account's flaw. */
export type Wrong = Flaw & { readonly userId: string };

type Options = {
  /** The accounts to verify; undefined: all. */
  readonly userIds?: readonly string[] | undefined;
  /** Called once per page with what has been read so far. */
  readonly onProgress?: ((read: { accounts: number; entries: number }) => void) | undefined;
};

const PAGE_ACCOUNTS = 500;

/**
 * Verifies the ledger's invariants by replaying each account's journal: the hash chain, the figures
 * after each entry, lots, holds and refunds, request ids and receipts, epochs and feed numbers, and
 * that no row is missing or superfluous. It also compares the tables with those that the migrations
 * make. Three kinds of tampering leave no trace and are not found: an account deleted with all its
 * rows; the newest entries or receipts removed and each row set back; a journal rewritten from some
 * entry on. For these `compareRoot` needs a root that was kept elsewhere.
 *
 * It takes no locks and writes nothing, and may run beside servers: it reads each page of accounts
 * in one snapshot. It keeps a page of entries in memory and, of one account, the open lots and holds
 * and the entries whose refunds it has not reached yet.
 *
 * @throws errors of the database
 */
export async function verify(orm: Orm, options: Options = {}): Promise<Verification> {
  const schema = [...(await inSnapshot(orm, flawsOfSchema))];
  const found: Found = { accounts: 0, entries: 0, epochs: [], wrong: [], schema };
  try {
    await verifyAccounts(orm, options, found);
  } catch (error) {
    if (schema.length === 0) throw error;
    schema.push("not all accounts can be read");
  }
  return found;
}

type Found = Verification & {
  accounts: number;
  entries: number;
  epochs: EpochCount[];
  wrong: Wrong[];
};

async function verifyAccounts(orm: Orm, options: Options, found: Found): Promise<void> {
  const report = { found, onProgress: () => options.onProgress?.(found) };
  if (options.userIds !== undefined) {
    const userIds = [...new Set(options.userIds)].toSorted();
    for (let at = 0; at < userIds.length; at += PAGE_ACCOUNTS) {
      const span = { userIds: userIds.slice(at, at + PAGE_ACCOUNTS) };
      await inLongSnapshot(orm, async (run) => {
        const accounts = await readAccounts(run, span, PAGE_ACCOUNTS);
        await verifySpan(run, { span, accounts }, report);
      });
    }
    return;
  }
  let after: string | undefined;
  do {
    after = await inLongSnapshot(orm, async (run) => {
      const accounts = await readAccounts(run, { after, upTo: undefined }, PAGE_ACCOUNTS);
      const upTo = accounts.length < PAGE_ACCOUNTS ? undefined : accounts.at(-1)?.userId;
      await verifySpan(run, { span: { after, upTo }, accounts }, report);
      return upTo;
    });
  } while (after !== undefined);
}

type Page = { readonly span: Span; readonly accounts: readonly ReadAccount[] };
type Report = { readonly found: Found; readonly onProgress: () => void };

/** Verifies a span's accounts, and finds its rows that have no account. */
async function verifySpan(run: Run, page: Page, { found, onProgress }: Report): Promise<void> {
  const { span } = page;
  const accounts = new Map(page.accounts.map((one) => [one.userId, one]));
  const reused = await reusedRequests(run, span);
  await readEpochs(run, found.epochs);
  const flaws = new Map<string, Flaw>();
  const seen = new Set<string>();
  const firstTimes = new Map<string, Micros>();
  const note = (userId: string, flaw: Flaw | undefined) => {
    if (flaw !== undefined && !flaws.has(userId)) flaws.set(userId, flaw);
  };

  let replay: Replay | undefined;
  for await (const steps of readSteps(run, span, page.accounts)) {
    for (const step of steps) {
      const { userId, entry } = step;
      if (entry !== undefined) found.entries += 1;
      if (entry?.sequence === 1n) firstTimes.set(userId, entry.time);
      if (replay?.userId !== userId) {
        if (replay !== undefined) note(replay.userId, endOf(replay, accounts));
        replay = startReplay(userId, accounts.get(userId)?.salt ?? NO_SALT);
        seen.add(userId);
      }
      if (!flaws.has(userId)) note(userId, flawOfStep(replay, step, { accounts, reused }));
      note(userId, flawOfPlace(replay, step, found.epochs));
    }
    onProgress();
  }
  if (replay !== undefined) note(replay.userId, endOf(replay, accounts));
  for (const [userId, { salt }] of accounts) {
    if (!seen.has(userId)) note(userId, endOf(startReplay(userId, salt), accounts));
  }
  for (const [userId, { requestId, sequence }] of reused) {
    if (sequence === undefined) note(userId, { what: `two receipts have request id ${requestId}` });
  }
  for (const [userId, what] of await flawsOfReceipts(run, span, { accounts, firstTimes })) {
    note(userId, { what });
  }
  for (const userId of "userIds" in span ? span.userIds : []) {
    if (!accounts.has(userId)) note(userId, { what: "there is no such account" });
  }

  found.accounts += accounts.size;
  for (const [userId, flaw] of flaws) found.wrong.push({ userId, ...flaw });
  onProgress();
}

/** For entries without an account, which are a flaw before their hashes are looked at. */
const NO_SALT = new Uint8Array();

type Accounts = ReadonlyMap<string, ReadAccount>;

function flawOfStep(
  replay: Replay,
  step: Step,
  { accounts, reused }: { accounts: Accounts; reused: ReadonlyMap<string, ReusedRequest> },
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

/** Counts the step's entry to its epoch. */
function flawOfPlace(
  replay: Replay,
  { number: sequence, place }: Step,
  epochs: readonly EpochCount[],
): Flaw | undefined {
  if (place === undefined) return undefined;
  const what = countPlace(epochs, replay.place, place);
  replay.place = place;
  return what === undefined ? undefined : { sequence, what };
}

function endOf(replay: Replay, accounts: Accounts): Flaw | undefined {
  const read = accounts.get(replay.userId);
  if (read === undefined) return undefined;
  if (read.account === undefined) return { what: "the account's row cannot be read" };
  return endReplay(replay, read.account, read);
}
