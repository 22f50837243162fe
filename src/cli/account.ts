import {
  type Account,
  AccountSchema,
  type Hold,
  HoldSchema,
  type Lot,
  LotSchema,
} from "../../gen/points/v1/account_pb.ts";
import { UserError } from "../errors/user-error.ts";
import { readArguments, required } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, type PointsClient, printJson, withClient } from "./client.ts";
import { allocationsText, timeText } from "./entry-table.ts";
import { table } from "./table.ts";

/** `points account USER`: prints an account as it is now, without creating one. */
export async function runAccount(args: readonly string[]): Promise<void> {
  const { values, positionals } = readArguments(args, CLIENT_OPTIONS, ["USER"]);
  const userId = required(positionals[0], "USER");
  await withClient(values.server, async (client) => {
    const account = await readAccount(client, userId);
    const { lots, nextPageToken: moreLots } = await client.listLots({ userId });
    const { holds, nextPageToken: moreHolds } = await client.listHolds({ userId, openOnly: true });
    if (values.json === true) {
      return printJson({
        account: asJson(AccountSchema, account),
        lots: lots.map((lot) => asJson(LotSchema, lot)),
        holds: holds.map((hold) => asJson(HoldSchema, hold)),
      });
    }
    console.log(`${accountTable(account)}\n\n${lotTable(lots)}${moreLots === "" ? "" : "\n…"}`);
    if (holds.length > 0) console.log(`\n${holdTable(holds)}${moreHolds === "" ? "" : "\n…"}`);
  });
}

/** Reads by WatchAccount, since GetOrCreate would create the account of a mistyped name. */
async function readAccount(client: PointsClient, userId: string): Promise<Account> {
  const stopping = new AbortController();
  const watched = client.watchAccount({ userId }, { signal: stopping.signal });
  const answers = watched[Symbol.asyncIterator]();
  const { value } = await answers.next();
  // The stream ends at once, and not with the call's deadline, only if its end is read as well.
  stopping.abort();
  await answers.next().catch(() => {});
  if (value?.account === undefined) throw new UserError("the server is stopping");
  return value.account;
}

function accountTable(account: Account): string {
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
      ["debt", String(account.debt)],
      ["entries", String(account.sequence)],
    ],
  );
}

function lotTable(lots: readonly Lot[]): string {
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

function holdTable(holds: readonly Hold[]): string {
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
