import type { Account } from "../../ledger/account.ts";
import { countClaims, type Revocations } from "../../ledger/claim.ts";
import type { Command } from "../../ledger/command.ts";
import { type Hold, isOpenHold, MAX_OPEN_HOLDS } from "../../ledger/hold.ts";
import { compareBurnOrder, type Lot } from "../../ledger/lot.ts";
import { isRefundable, lotsInReach, refundableOf } from "../../ledger/refundable.ts";
import { NO_RECEIPT, type ReceiptLink } from "../../ledger/receipt.ts";
import { type AccountState, bareState } from "../../ledger/state.ts";
import type { Micros } from "../../ledger/time.ts";
import type { Moment } from "../driver/clock.ts";
import { type RowKey, textOfKey } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";
import type { Accounts, LockedAccounts } from "./accounts.ts";
import { dueAccountsOf, type DueAccount, quietAccountsOf } from "./due-accounts.ts";
import { type Demand, demandsOf, looksOf } from "./demands.ts";
import { dueRowsOf, loadDue } from "./due.ts";
import { type Hashes, loadHashes } from "./hashes.ts";
import { type HoldOf, loadDueHolds, loadNamedHolds, sumDueHolds } from "./holds.ts";
import { loadDueLots, loadLots, loadQuietLots } from "./lots.ts";
import { loadPolicies, type MemberOf } from "./policies.ts";
import { loadLastReceipts } from "./receipts.ts";
import { loadRefundables, type Refundable } from "./refunds.ts";
import { loadRevocations } from "./revocations.ts";
import type { LoadedLots, Rows } from "./rows.ts";
import { type BatchNeeds, type RefundKey, sumNeeds } from "./sum-needs.ts";
import { whoWaits, type Wish } from "./turns.ts";

/** The states that a batch decides on, and the rows that hold them. */
export type Loaded = {
  readonly states: readonly AccountState[];
  readonly rows: Rows;
  /** The users whose accounts are left to the lane's next batch: see `whoWaits`. */
  readonly waiting: ReadonlySet<string>;
};

/** A batch's commands, and the replies to the statements sent before those that load. */
type Asked = {
  readonly commands: readonly Command[];
  readonly locked: Promise<LockedAccounts>;
  /** What the clock said. */
  readonly moment: Promise<Moment>;
};

/**
 * Loads the part of the accounts that the commands may read or change, and as much of what is due
 * as a batch books, with a hold and a lot more, which show that there is more. Send it after the
 * statements that lock the accounts and read the clock.
 *
 * What a command names is asked for at once. The rest depends on the accounts' rows and on the
 * time, and is asked for only if these say that there is something: see `loadLots`, `loadDue`.
 */
export async function loadStates(run: Run, { commands, locked, moment }: Asked): Promise<Loaded> {
  const needs = sumNeeds(commands);
  const [all, { now }, holds, refundables, hashes, receipts] = await Promise.all([
    locked,
    moment,
    loadNamedHolds(run, needs.holds, needs.freezeTimes),
    loadRefundables(run, needs.refunds),
    loadHashes(run, needs.guarded),
    loadLastReceipts(run, [...needs.lastReceipts]),
  ]);
  const brought = sumBrought(needs, refundables);
  const { asked, lots: expired, revoked } = needs;
  const demands = demandsOf(all, { asked, brought, expired, now });
  const dueAccounts = dueAccountsOf(all, now);
  const quietAccounts = quietAccountsOf(all, now);
  const mayBeDue = [...quietAccounts, ...dueAccounts];
  const waiting = whoWaits(wishesOf(all, needs, { demands, mayBeDue }));
  const places =
    waiting.size === 0 ? all.rows : new Map([...all.rows].filter(([id]) => !waiting.has(id)));
  const isLoaded = ({ userId }: { readonly userId: string }) => places.has(userId);
  const { states, lots } = await loadRest(run, {
    accounts: all.accounts,
    places,
    demands: demands.filter(isLoaded),
    dueAccounts: dueAccounts.filter(({ account }) => isLoaded(account)),
    quietAccounts: quietAccounts.filter(({ account }) => isLoaded(account)),
    expired: expired.filter(isLoaded),
    revoked: revoked.filter(isLoaded),
    holds: holds.filter(isLoaded),
    refundables: refundables.filter(isLoaded),
    refunds: needs.refunds,
    members: needs.members,
    hashes,
    receipts,
  });
  return { states, rows: { accounts: all.rows, lots }, waiting };
}

/** The accounts for which rows must be looked through, in the order of their first commands. */
function wishesOf(
  { rows }: LockedAccounts,
  { asked }: BatchNeeds,
  {
    demands,
    mayBeDue,
  }: { readonly demands: readonly Demand[]; readonly mayBeDue: readonly DueAccount[] },
): readonly Wish[] {
  if (demands.length + mayBeDue.length === 0) return [];
  const wishes = new Map(
    demands.map(({ userId, services }) => [
      userId,
      rows.get(userId)!.beyond.count * (1 + services.length),
    ]),
  );
  for (const { account } of mayBeDue)
    wishes.set(account.userId, dueRowsOf(rows.get(account.userId)!));
  return [...asked.keys()].map((userId) => ({ userId, rows: wishes.get(userId) ?? 0 }));
}

/** The most points that a batch may bring into accounts, by user id; missing: none. */
function sumBrought({ recharged }: BatchNeeds, refundables: readonly Refundable[]) {
  if (refundables.length === 0) return recharged;
  const brought = new Map(recharged);
  for (const { userId, entry, refunded } of refundables) {
    if (!isRefundable(entry)) continue;
    brought.set(userId, (brought.get(userId) ?? 0n) + refundableOf(entry) - refunded);
  }
  return brought;
}

/** The accounts that have their turn, and what was found of them. */
type Found = {
  readonly accounts: Accounts;
  readonly places: Rows["accounts"];
  readonly demands: readonly Demand[];
  readonly dueAccounts: readonly DueAccount[];
  readonly quietAccounts: readonly DueAccount[];
  readonly expired: readonly RowKey[];
  readonly revoked: readonly RowKey[];
  readonly holds: readonly HoldOf[];
  readonly refundables: readonly Refundable[];
  readonly refunds: readonly RefundKey[];
  readonly members: readonly MemberOf[];
  readonly hashes: Hashes;
  readonly receipts: ReadonlyMap<string, ReceiptLink>;
};

async function loadRest(run: Run, found: Found) {
  const { accounts, places, demands, expired, refundables, refunds, receipts } = found;
  const dueSent = loadDue(run, found, places);
  const holdsSent = dueSent.then((due) => groupHolds([...due.holds, ...found.holds]));
  const refunding = lotsToRefund(refundables, refunds);
  const namedSent = holdsSent.then((ofUsers) => [
    ...expired,
    ...refunding,
    ...lotsOfHolds(ofUsers),
  ]);
  const [{ nextDue, lastLots }, holds, policies, revocations, { lots, closed }] = await Promise.all(
    [
      dueSent,
      holdsSent,
      holdsSent.then((ofUsers) => loadPolicies(run, places, () => membersOf(found, ofUsers))),
      namedSent.then((named) => loadRevocations(run, places, { named, revoked: found.revoked })),
      loadLots(run, places, {
        demands,
        expired,
        due: dueSent.then((due) => due.lots),
        named: namedSent,
      }),
    ],
  );
  const byUser = Map.groupBy(refundables, ({ userId }) => userId);
  const states = [...places].map(([userId, place]): AccountState => {
    const { dueTime, openHolds, repaidUntil, openClaims } = place;
    const ofUser = holds.get(userId) ?? [];
    const revoked = revocations.get(userId) ?? NOTHING_REVOKED;
    return {
      ...bareState(accounts.get(userId)!),
      ...lotsOfState(lots.get(userId)!, closed.get(userId)),
      lastDueLot: lastLots.get(userId),
      holds: ofUser,
      otherHolds: openHolds - ofUser.filter(isOpenHold).length,
      dueTime,
      repaidUntil,
      otherDueTime: nextDue.has(userId) ? nextDue.get(userId)! : dueTime,
      ...refundablesOf(byUser.get(userId)),
      revoked,
      otherClaims: openClaims - countClaims(revoked),
      policies: policies.get(userId) ?? NO_POLICIES,
      hashes: found.hashes.get(userId) ?? NO_HASHES,
      lastReceipt: receipts.get(userId) ?? NO_RECEIPT,
    };
  });
  return { states, lots };
}

const NO_HASHES: AccountState["hashes"] = new Map();

function lotsOfState(
  { row, table, beyond, scopedOf }: LoadedLots,
  closed: readonly Lot[] = [],
): Pick<AccountState, "lots" | "otherLots"> {
  const others = table.length + closed.length;
  const lots = others === 0 ? row : [...row, ...table, ...closed].toSorted(compareBurnOrder);
  return { lots, otherLots: { ...beyond, scopedOf } };
}

const NOTHING_REVOKED: Revocations = new Map();
const NO_POLICIES: AccountState["policies"] = [];

/** Holds by user id, each once. */
function groupHolds(holds: readonly HoldOf[]): Map<string, readonly Hold[]> {
  const byUser = new Map<string, Map<bigint, Hold>>();
  for (const { userId, hold } of holds) {
    const ofUser = byUser.get(userId);
    if (ofUser === undefined) byUser.set(userId, new Map([[hold.number, hold]]));
    else ofUser.set(hold.number, hold);
  }
  return new Map([...byUser].map(([userId, ofUser]) => [userId, [...ofUser.values()]]));
}

/** How accounts are to be read. */
export type ReadAt = {
  readonly now: Micros;
  /** What it may take of each account is wanted; undefined: of no service. */
  readonly service?: string | undefined;
  /** What this member has spent is wanted. */
  readonly member?: string | undefined;
  /** Whether each due hold is wanted; otherwise one stands for all of an account. */
  readonly apart?: boolean;
};

/** Loads accounts that are only read, each at its own time. Everything that is due is in them. */
export async function loadStatesToRead(
  run: Run,
  all: LockedAccounts,
  { now, service, member = "", apart = false }: ReadAt,
): Promise<readonly AccountState[]> {
  const dueAccounts = dueAccountsOf(all, now);
  const holdsSent = apart
    ? loadDueHolds(run, dueAccounts, MAX_OPEN_HOLDS).then(groupHolds)
    : sumDueHolds(run, dueAccounts);
  const namedSent = holdsSent.then(lotsOfHolds);
  const dueLotsSent = Promise.all([
    loadDueLots(run, dueAccounts),
    loadQuietLots(run, quietAccountsOf(all, now)),
  ]).then((lots) => lots.flat());
  const [holds, policies, revocations, { lots }] = await Promise.all([
    holdsSent,
    loadPolicies(run, all.rows, () => membersOfAll(all, member)),
    namedSent.then((named) => loadRevocations(run, all.rows, { named, revoked: [] })),
    loadLots(run, all.rows, {
      demands: service === undefined ? [] : looksOf(all, service, now),
      expired: [],
      due: dueLotsSent,
      named: namedSent,
    }),
  ]);
  return [...all.accounts.values()].map((account: Account) => ({
    ...bareState(account),
    ...lotsOfState(lots.get(account.userId)!),
    holds: holds.get(account.userId) ?? [],
    revoked: revocations.get(account.userId) ?? NOTHING_REVOKED,
    policies: policies.get(account.userId) ?? NO_POLICIES,
  }));
}

function membersOfAll({ accounts }: LockedAccounts, member: string): readonly MemberOf[] {
  return [...accounts.keys()].map((userId) => ({ userId, member }));
}

/** Who spends, or has spent what may come back. */
function membersOf(
  { members, refundables }: Found,
  holds: ReadonlyMap<string, readonly Hold[]>,
): readonly MemberOf[] {
  const ofHolds = [...holds].flatMap(([userId, ofUser]) =>
    ofUser.map(({ member }) => ({ userId, member })),
  );
  const refunded = refundables.map(({ userId, entry: { member } }) => ({ userId, member }));
  return [...members, ...ofHolds, ...refunded];
}

/** The lots that have points of open holds. */
function lotsOfHolds(holds: ReadonlyMap<string, readonly Hold[]>): readonly RowKey[] {
  return [...holds].flatMap(([userId, ofUser]) =>
    ofUser
      .filter(isOpenHold)
      .flatMap(({ allocations }) => allocations.map(({ lot: number }) => ({ userId, number }))),
  );
}

/** The lots to which the refunds may give back. */
function lotsToRefund(
  refundables: readonly Refundable[],
  refunds: readonly RefundKey[],
): readonly RowKey[] {
  if (refundables.length === 0) return [];
  const asked = Map.groupBy(refunds, ({ userId, number }) => textOfKey(userId, number));
  return refundables.flatMap(({ userId, entry, refunded }) => {
    const points = asked.get(textOfKey(userId, entry.sequence))!.map((one) => one.points);
    return lotsInReach(entry, refunded, points).map((number) => ({ userId, number }));
  });
}

function refundablesOf(ofUser: readonly Refundable[] | undefined) {
  if (ofUser === undefined) return undefined;
  const partly = ofUser.filter(({ refunded }) => refunded > 0n);
  return {
    entries: new Map(ofUser.map(({ entry }) => [entry.sequence, entry])),
    refunded: new Map(partly.map(({ entry, refunded }) => [entry.sequence, refunded])),
  };
}
