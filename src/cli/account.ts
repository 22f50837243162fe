import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Account,
  AccountSchema,
  type Hold,
  HoldSchema,
  type Lot,
  LotSchema,
} from "../../gen/points/v1/account_pb.ts";
import type { GetAccountRequestSchema } from "../../gen/points/v1/points_pb.ts";
import { UserError } from "../errors/user-error.ts";
import { readArguments, required } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, type PointsClient, printJson, withClient } from "./client.ts";
import { allocationsText } from "./entry-table.ts";
import { instant } from "./instant.ts";
import { table } from "./table.ts";
import { timeText } from "./time-text.ts";

/**
 * `points account USER`: prints an account as it is now, or as it was at an instant; then without
 * lots and holds, which are those of now.
 */
export async function runAccount(args: readonly string[]): Promise<void> {
  const options = { ...CLIENT_OPTIONS, "as-of": { type: "string" } } as const;
  const { values, positionals } = readArguments(args, options, ["USER"]);
  const userId = required(positionals[0], "USER");
  const asOf = values["as-of"] === undefined ? undefined : instant(values["as-of"], "--as-of");
  await withClient(values.server, async (client) => {
    const account = await readAccount(client, asOf === undefined ? { userId } : { userId, asOf });
    if (asOf !== undefined) {
      if (values.json === true) return printJson({ account: asJson(AccountSchema, account) });
      return console.log(accountTable(account));
    }
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

async function readAccount(
  client: PointsClient,
  request: MessageInitShape<typeof GetAccountRequestSchema>,
): Promise<Account> {
  const { account } = await client.getAccount(request);
  if (account === undefined) throw new UserError("the server does not answer as Points does");
  return account;
}

function accountTable(account: Account): string {
  const { userId, balance, frozen, totalRecharged, totalConsumed, totalExpired } = account;
  const { nextExpiration: next } = account;
  const figures = table(
    [{ title: userId }, { title: "points", toRight: true }],
    [
      ["balance", String(balance)],
      ["frozen", String(frozen)],
      ["recharged", String(totalRecharged)],
      ["consumed", String(totalConsumed)],
      ["expired", String(totalExpired)],
      ["revoked", String(account.totalRevoked)],
      ["refunded", String(account.totalRefunded)],
      ["debt", String(account.debt)],
      ["entries", String(account.sequence)],
    ],
  );
  if (next === undefined) return figures;
  return `${figures}\n\n${next.points} of the balance expire at ${timeText(next.time)} (UTC)`;
}

const REVOKED = { title: "revoked", toRight: true };
const CLAIMED = { title: "claimed", toRight: true };

/** With what was revoked and is claimed, if anything was of any lot. */
function lotTable(lots: readonly Lot[]): string {
  const areRevoked = lots.some(({ revoked }) => revoked > 0n);
  return table(
    [
      { title: "lot" },
      { title: "remaining", toRight: true },
      { title: "frozen", toRight: true },
      { title: "of", toRight: true },
      { title: "priority", toRight: true },
      { title: "expires (UTC)" },
      { title: "category" },
      { title: "for" },
      ...(areRevoked ? [REVOKED, CLAIMED] : []),
    ],
    lots.map(({ number, remaining, frozen, points, priority, expireTime, ...words }) => [
      `#${number}`,
      String(remaining),
      String(frozen),
      String(points),
      String(priority),
      timeText(expireTime),
      words.category,
      words.services.join(", ") || "anything",
      ...(areRevoked ? [String(words.revoked), String(words.claimed)] : []),
    ]),
  );
}

function holdTable(holds: readonly Hold[]): string {
  return table(
    [
      { title: "hold" },
      { title: "left", toRight: true },
      { title: "of", toRight: true },
      { title: "expires (UTC)" },
      { title: "lots" },
    ],
    holds.map(({ number, points, settled, expireTime, allocations }) => [
      `#${number}`,
      String(points - settled),
      String(points),
      timeText(expireTime),
      allocationsText(allocations),
    ]),
  );
}
