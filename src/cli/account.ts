import type { Account, Entry, Hold, Lot } from "../../gen/points/v1/account_pb.ts";
import { allocationsText, statementTable, timeText } from "./statement.ts";
import { table } from "./table.ts";

/** The figures of an account. */
export function accountTable(account: Account): string {
  const { userId, balance, frozen, totalRecharged, totalConsumed, totalExpired } = account;
  return table(
    [{ title: userId }, { title: "points", toRight: true }],
    [
      ["balance", String(balance)],
      ["frozen", String(frozen)],
      ["recharged", String(totalRecharged)],
      ["consumed", String(totalConsumed)],
      ["expired", String(totalExpired)],
      ["refunded", String(account.totalRefunded)],
      ["entries", String(account.sequence)],
    ],
  );
}

/** Lots, in the order in which they come. */
export function lotTable(lots: readonly Lot[]): string {
  return table(
    [
      { title: "lot" },
      { title: "remaining", toRight: true },
      { title: "frozen", toRight: true },
      { title: "of", toRight: true },
      { title: "priority", toRight: true },
      { title: "expires (UTC)" },
    ],
    lots.map(({ number, remaining, frozen, points, priority, expireTime }) => [
      `#${number}`,
      String(remaining),
      String(frozen),
      String(points),
      String(priority),
      timeText(expireTime),
    ]),
  );
}

/** Holds, in the order in which they come. */
export function holdTable(holds: readonly Hold[]): string {
  return table(
    [
      { title: "hold" },
      { title: "points", toRight: true },
      { title: "expires (UTC)" },
      { title: "lots" },
    ],
    holds.map(({ number, points, expireTime, allocations }) => [
      `#${number}`,
      String(points),
      timeText(expireTime),
      allocationsText(allocations),
    ]),
  );
}

/** What a mutation came to. */
export function answerText(answer: {
  readonly entry?: Entry | undefined;
  readonly account?: Account | undefined;
  readonly replayed: boolean;
}): string {
  const { entry, account, replayed } = answer;
  const lines = [statementTable(entry === undefined ? [] : [entry]), ""];
  if (replayed) lines.push("This was answered before, and nothing was changed.");
  lines.push(`balance ${account?.balance}${account?.frozen ? `, frozen ${account.frozen}` : ""}`);
  return lines.join("\n");
}
