import { ListEntriesResponseSchema } from "../../gen/points/v1/points_pb.ts";
import { readArguments, required } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { statementTable } from "./entry-table.ts";
import { limitOption, readPages } from "./pages.ts";
import { timeText } from "./time-text.ts";

/** `points statement USER`: prints the last entries of an account, the newest at the end. */
export async function runStatement(args: readonly string[]): Promise<void> {
  const options = {
    ...CLIENT_OPTIONS,
    limit: { type: "string", default: "20" },
    service: { type: "string", default: "" },
    member: { type: "string", default: "" },
    actor: { type: "string", default: "" },
  } as const;
  const { values, positionals } = readArguments(args, options, ["USER"]);
  const userId = required(positionals[0], "USER");
  const { service, member, actor } = values;
  const filter = { service, member, actor };
  const limit = limitOption(values.limit);
  await withClient(values.server, async (client) => {
    const { items, firstPage, nextPageToken } = await readPages(
      limit,
      (place) => client.listEntries({ userId, ...filter, ...place }),
      (page) => page.entries,
    );
    if (values.json === true) {
      const answer = Object.assign(firstPage, { entries: items, nextPageToken });
      return printJson(asJson(ListEntriesResponseSchema, answer));
    }
    const none = `${userId} has no ${service || member || actor ? "such " : ""}entries`;
    console.log(items.length === 0 ? none : statementTable(items.toReversed()));
    if (nextPageToken !== "") console.log("\nThere are more before these: see --limit.");
    const { asOf } = firstPage;
    if (asOf !== undefined) console.log(`\nAs of ${timeText(asOf)} (UTC).`);
  });
}
