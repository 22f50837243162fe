import type { Account } from "../../gen/points/v1/account_pb.ts";
import { ListAccountsResponseSchema } from "../../gen/points/v1/ledger_pb.ts";
import { readArguments } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { limitOption, readPages } from "./pages.ts";
import { type Column, table } from "./table.ts";
import { timeText } from "./time-text.ts";

/** `points accounts [USER-PREFIX]`: prints accounts with their figures. */
export async function runAccounts(args: readonly string[]): Promise<void> {
  const options = { ...CLIENT_OPTIONS, limit: { type: "string", default: "50" } } as const;
  const { values, positionals } = readArguments(args, options, ["USER-PREFIX"]);
  const [userIdPrefix = ""] = positionals;
  const limit = limitOption(values.limit);
  await withClient(values.server, async (_, __, ledger) => {
    const { items, firstPage, nextPageToken } = await readPages(
      limit,
      (place) => ledger.listAccounts({ userIdPrefix, ...place }),
      (page) => page.accounts,
    );
    if (values.json === true) {
      const answer = Object.assign(firstPage, { accounts: items, nextPageToken });
      return printJson(asJson(ListAccountsResponseSchema, answer));
    }
    console.log(items.length === 0 ? "there are no such accounts" : accountsTable(items));
    if (nextPageToken !== "") console.log("\nThere are more users after these: see --limit.");
    console.log(`\nAs of ${timeText(firstPage.asOf)} (UTC).`);
  });
}

function accountsTable(accounts: readonly Account[]): string {
  return table(
    [{ title: "user" }, ...FIGURES],
    accounts.map((account) => [
      account.userId,
      ...FIGURES.map(({ figure }) => String(figure(account))),
    ]),
  );
}

const FIGURES: readonly (Column & { readonly figure: (account: Account) => bigint })[] = [
  { title: "balance", toRight: true, figure: ({ balance }) => balance },
  { title: "frozen", toRight: true, figure: ({ frozen }) => frozen },
  { title: "debt", toRight: true, figure: ({ debt }) => debt },
  { title: "recharged", toRight: true, figure: ({ totalRecharged }) => totalRecharged },
  { title: "refunded", toRight: true, figure: ({ totalRefunded }) => totalRefunded },
  { title: "consumed", toRight: true, figure: ({ totalConsumed }) => totalConsumed },
  { title: "expired", toRight: true, figure: ({ totalExpired }) => totalExpired },
  { title: "revoked", toRight: true, figure: ({ totalRevoked }) => totalRevoked },
  { title: "entries", toRight: true, figure: ({ sequence }) => sequence },
];
