import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type SearchEntriesRequestSchema,
  SearchEntriesResponseSchema,
} from "../../gen/points/v1/ledger_pb.ts";
import { readArguments, required, WrongUsage } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { streamTable } from "./entry-table.ts";
import { instant } from "./instant.ts";
import { limitOption, readPages } from "./pages.ts";
import { earliestOf } from "./summarize.ts";
import { timeText } from "./time-text.ts";

/**
 * `points search KEY=VALUE [USER-PREFIX]`: prints the last entries of whatever accounts that have a
 * pair of metadata, or instead a request id or an actor, the newest at the end.
 * With --user those of one user alone, which are picked out of those of the users whose ids begin so.
 */
export async function runSearch(args: readonly string[]): Promise<void> {
  const { values, positionals } = readArguments(args, OPTIONS, ["KEY=VALUE", "USER-PREFIX"]);
  const { by, userIdPrefix: prefix } = whatFor(values, positionals);
  const { from, until, user } = values;
  if (user !== "" && prefix !== "") {
    throw new WrongUsage("a search is of --user or of USER-PREFIX, and not of both");
  }
  const userIdPrefix = user || prefix;
  const range = {
    ...(from !== undefined && { startTime: instant(from, "--from") }),
    ...(until !== undefined && { endTime: instant(until, "--until") }),
  };
  const limit = limitOption(values.limit);
  await withClient(values.server, async (_, __, ledger) => {
    const { items, pages, firstPage, nextPageToken } = await readPages(
      limit,
      (place) => ledger.searchEntries({ by, userIdPrefix, ...range, ...place }),
      ({ entries }) => entries.filter(({ userId }) => user === "" || userId === user),
    );
    // A rebuild may have begun after the first page.
    const caughtUpTo = earliestOf(pages);
    if (values.json === true) {
      const answer = Object.assign(firstPage, { entries: items, nextPageToken, caughtUpTo });
      return printJson(asJson(SearchEntriesResponseSchema, answer));
    }
    console.log(items.length === 0 ? "nothing was found" : streamTable()(items.toReversed()));
    if (nextPageToken !== "") console.log("\nThere are more before these: see --limit.");
    console.log(
      caughtUpTo === undefined
        ? "\nThe index is being built, and lacks most."
        : `\nAs of ${timeText(caughtUpTo)} (UTC): everything committed before is in it.`,
    );
  });
}

const OPTIONS = {
  ...CLIENT_OPTIONS,
  "request-id": { type: "string" },
  actor: { type: "string" },
  user: { type: "string", default: "" },
  from: { type: "string" },
  until: { type: "string" },
  limit: { type: "string", default: "50" },
} satisfies Parameters<typeof readArguments>[1];

type Wanted = {
  readonly by: NonNullable<MessageInitShape<typeof SearchEntriesRequestSchema>["by"]>;
  readonly userIdPrefix: string;
};

/** The first argument is a pair of metadata, unless an option says what to search for. */
function whatFor(
  options: { readonly "request-id"?: string; readonly actor?: string },
  positionals: readonly string[],
): Wanted {
  const { "request-id": requestId, actor } = options;
  if (requestId === undefined && actor === undefined) {
    const [pair, userIdPrefix = ""] = positionals;
    return { by: { case: "metadata", value: pairOf(required(pair, WHAT)) }, userIdPrefix };
  }
  if (requestId !== undefined && actor !== undefined) {
    throw new WrongUsage("search is for --request-id or for --actor, and not for both");
  }
  const [userIdPrefix = "", extra] = positionals;
  // Who forgot that an option is there already would be told that nothing was found.
  if (extra !== undefined || userIdPrefix.includes("=")) {
    const option = actor === undefined ? "--request-id" : "--actor";
    throw new WrongUsage(`search is for ${option} or for KEY=VALUE, and not for both`);
  }
  if (actor !== undefined) return { by: { case: "actor", value: actor }, userIdPrefix };
  return { by: { case: "requestId", value: requestId! }, userIdPrefix };
}

const WHAT = "--request-id ID, --actor NAME or KEY=VALUE";

function pairOf(text: string) {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (key !== undefined && value !== undefined) return { key, value };
  throw new WrongUsage(`search takes KEY=VALUE, such as order=8157, and not ${text}`);
}
