import { create } from "@bufbuild/protobuf";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { ListEntriesResponseSchema } from "../../gen/points/v1/points_pb.ts";
import { readArguments, required, wholeNumber, WrongUsage } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { statementTable } from "./entry-table.ts";

const PAGE_MAX = 1000;

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
  const limit = Number(wholeNumber(values.limit, "--limit"));
  if (limit === 0) throw new WrongUsage("--limit takes 1 or more");
  await withClient(values.server, async (client) => {
    const entries: Entry[] = [];
    let pageToken = "";
    do {
      const pageSize = Math.min(limit - entries.length, PAGE_MAX);
      const page = await client.listEntries({ userId, ...filter, pageSize, pageToken });
      entries.push(...page.entries);
      pageToken = page.nextPageToken;
    } while (pageToken !== "" && entries.length < limit);
    if (values.json === true) {
      const answer = create(ListEntriesResponseSchema, { entries, nextPageToken: pageToken });
      return printJson(asJson(ListEntriesResponseSchema, answer));
    }
    if (entries.length === 0)
      return console.log(`${userId} has no ${service || member || actor ? "such " : ""}entries`);
    console.log(statementTable(entries.toReversed()));
    if (pageToken !== "") console.log("\nThere are more before these: see --limit.");
  });
}
