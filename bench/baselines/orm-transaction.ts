import { type InferEntity, LockMode } from "@mikro-orm/postgresql";
import type { Answered } from "../../src/commit/commit.ts";
import type { Submit } from "../../src/commit/group-commit.ts";
import type { Account } from "../../src/ledger/account.ts";
import { apply } from "../../src/ledger/apply.ts";
import type { Command, Consume, Request } from "../../src/ledger/command.ts";
import { accountAfter, type Entry } from "../../src/ledger/entry.ts";
import { answerRepeat } from "../../src/ledger/idempotency.ts";
import { NO_SERVICES } from "../../src/ledger/lot.ts";
import type { PricedUsage } from "../../src/ledger/prices.ts";
import { isRejection, type Rejection } from "../../src/ledger/rejection.ts";
import { bareState } from "../../src/ledger/state.ts";
import type { EntityManager, Orm } from "../../src/store/driver/orm.ts";
import { AccountTable, EntryTable, LotTable } from "./tables.ts";

/**
 * Consume as most people would write it: a transaction per request, which locks the account's row
 * (pessimistic lock), finds the lots, changes the entities, and flushes the unit of work. The rules
 * are the ledger's own, so it does the same work. It uses the process's time, which saves a round
 * trip.
 */
export function consumeInTransaction(orm: Orm): Submit {
  orm.discoverEntity([AccountTable, LotTable, EntryTable]);
  const run = async (command: Command) => {
    if (command.kind !== "consume") throw new Error("this baseline only consumes");
    return orm.em.fork().transactional((em) => consume(em, command));
  };
  return (commands) =>
    Promise.all(commands.map((command) => run(command).catch((error: Error) => error)));
}

async function consume(em: EntityManager, command: Consume): Promise<Answered | Rejection> {
  const { userId, request } = command;
  const account = await em.findOne(
    AccountTable,
    { userId },
    { lockMode: LockMode.PESSIMISTIC_WRITE },
  );
  if (account === null) return { reason: "ACCOUNT_NOT_FOUND", userId };
  if (request !== undefined) {
    const first = await em.findOne(EntryTable, { userId, requestId: request.id });
    if (first !== null) return replay(request, first, asAccount(account));
  }
  const lots = await em.find(
    LotTable,
    { userId, remaining: { $gt: 0n } },
    { orderBy: { priority: "asc", expireTime: "asc nulls last", number: "asc" } },
  );
  const state = {
    ...bareState(asAccount(account)),
    lots: lots.map(({ number, points, remaining, frozen, priority, expireTime }) => ({
      number,
      points,
      remaining,
      frozen,
      priority,
      expireTime: expireTime ?? null,
      category: "",
      services: NO_SERVICES,
    })),
  };
  const applied = apply(state, command, { now: BigInt(Date.now()) * 1000n });
  if (isRejection(applied)) return applied;

  const after = applied.state;
  const { debt: _, totalRevoked: __, ...figures } = accountAfter(applied.entry!, account);
  Object.assign(account, figures);
  after.lots.forEach(({ remaining }, index) => {
    lots[index]!.remaining = remaining;
  });
  for (const entry of applied.entries) em.create(EntryTable, toRow(entry));
  return {
    entry: applied.entry,
    account: after.account,
    replayed: false,
    created: false,
    epoch: 0n,
  };
}

function asAccount(account: InferEntity<typeof AccountTable>) {
  return { ...account, ...NEVER_MOVED };
}

/** What a baseline has no columns for. */
const NEVER_MOVED = { totalRevoked: 0n, debt: 0n };

function replay(
  request: Request,
  first: InferEntity<typeof EntryTable>,
  found: Account,
): Answered | Rejection {
  const entry = toEntry(first);
  const account = accountAfter(entry, found);
  const repeat = answerRepeat(request, { request: entry.request, entry, account });
  return isRejection(repeat)
    ? repeat
    : { entry, account, replayed: true, created: false, epoch: 0n };
}

function toEntry({
  lots,
  lotPoints,
  requestId,
  fingerprint,
  ...row
}: InferEntity<typeof EntryTable>) {
  const { balance, frozen, totalRecharged, totalConsumed, totalExpired, totalRefunded } = row;
  return {
    ...row,
    allocations: lots.map((lot, index) => ({
      lot: BigInt(lot),
      points: BigInt(lotPoints[index]!),
    })),
    owed: 0n,
    uncovered: 0n,
    repaid: 0n,
    fromBalance: 0n,
    keptOpen: false,
    fromClaim: false,
    refersTo: row.refersTo ?? null,
    time: row.createTime,
    expireTime: row.expireTime ?? null,
    category: "",
    services: NO_SERVICES,
    usage: null,
    policy: null,
    cause: "",
    member: "",
    alerts: [],
    holdAfter: null,
    erasedHash: null,
    request: { id: requestId!, fingerprint: fingerprint! },
    metadata: new Map(Object.entries(row.metadata ?? {})),
    after: {
      balance,
      frozen,
      totalRecharged,
      totalConsumed,
      totalExpired,
      totalRefunded,
      ...NEVER_MOVED,
    },
    caller: row.caller ?? "",
    actor: "",
  };
}

/** The row of a Consume's entry; columns left out are null. */
function toRow(entry: Entry) {
  const { userId, sequence, kind, points, allocations, returned, time, priority } = entry;
  const { usage, request, metadata, hash } = entry;
  const { debt: _, totalRevoked: __, ...after } = entry.after;
  return {
    userId,
    sequence,
    kind,
    points,
    lots: allocations.map(({ lot }) => String(lot)),
    lotPoints: allocations.map((allocation) => String(allocation.points)),
    returned,
    createTime: time,
    priority,
    ...(usage === null ? {} : toColumns(usage)),
    ...(request === undefined ? {} : { requestId: request.id, fingerprint: request.fingerprint }),
    ...(metadata.size === 0 ? {} : { metadata: Object.fromEntries(metadata) }),
    ...after,
    hash,
  };
}

function toColumns({ service, quantity, durationNanos, priceVersion }: PricedUsage) {
  return { service, quantity, durationNanos, priceVersion };
}
