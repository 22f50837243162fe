import { type ExpiringPoints, ListExpiringResponseSchema } from "../../gen/points/v1/ledger_pb.ts";
import { duration, readArguments } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { limitOption, readPages } from "./pages.ts";
import { table } from "./table.ts";
import { timeText } from "./time-text.ts";

/** `points expiring [USER-PREFIX]`: prints the users of whose balances points expire soon. */
export async function runExpiring(args: readonly string[]): Promise<void> {
  const options = {
    ...CLIENT_OPTIONS,
    within: { type: "string", default: "7d" },
    limit: { type: "string", default: "50" },
  } as const;
  const { values, positionals } = readArguments(args, options, ["USER-PREFIX"]);
  const [userIdPrefix = ""] = positionals;
  const within = duration(values.within, "--within");
  const limit = limitOption(values.limit);
  await withClient(values.server, async (_, __, ledger) => {
    const { items, firstPage, nextPageToken } = await readPages(
      limit,
      (place) => ledger.listExpiring({ within, userIdPrefix, ...place }),
      (page) => page.expiring,
    );
    if (values.json === true) {
      const answer = Object.assign(firstPage, { expiring: items, nextPageToken });
      return printJson(asJson(ListExpiringResponseSchema, answer));
    }
    const nothing = `no points expire within ${values.within}`;
    console.log(items.length === 0 ? nothing : expiringTable(items));
    if (nextPageToken !== "") console.log("\nThere are more users after these: see --limit.");
    console.log(`\nAs of ${timeText(firstPage.asOf)} (UTC).`);
  });
}

function expiringTable(expiring: readonly ExpiringPoints[]): string {
  return table(
    [
      { title: "user" },
      { title: "points", toRight: true },
      { title: "the first at (UTC)" },
      { title: "points then", toRight: true },
    ],
    expiring.map(({ userId, points, firstTime, firstPoints }) => [
      userId,
      String(points),
      timeText(firstTime),
      String(firstPoints),
    ]),
  );
}
