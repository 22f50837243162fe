import { EntrySchema } from "../../gen/points/v1/account_pb.ts";
import {
  type EpochChange,
  EpochChangeSchema,
  type StreamEntriesResponse,
} from "../../gen/points/v1/ledger_pb.ts";
import { followEntries } from "../client/follow.ts";
import { readArguments } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, withClient } from "./client.ts";
import { streamTable } from "./entry-table.ts";
import { kindOptions } from "./kind-option.ts";
import { timeText } from "./time-text.ts";

/**
 * `points entries [USER-PREFIX]`: prints the entries of all accounts, and with --follow those that
 * come, until Ctrl-C. Says on standard error where it ended.
 */
export async function runEntries(args: readonly string[]): Promise<void> {
  const { values, positionals } = readArguments(args, OPTIONS, ["USER-PREFIX"]);
  const { follow, server, json } = values;
  const request = {
    cursor: values.cursor ?? (follow ? "" : "0"),
    kinds: kindOptions(values.kind),
    userIdPrefix: positionals[0] ?? "",
  };
  const print = json === true ? printLines : printTable();
  const stop = new AbortController();
  // The second one ends the process.
  process.once("SIGINT", () => stop.abort());
  await withClient(server, async (_, __, ledger) => {
    // A server that is not there is an error at the beginning; later it is waited for.
    await ledger.getLedger({});
    const attemptsMax = follow ? Number.POSITIVE_INFINITY : 1;
    let isAway = false;
    const onBroken = ({ message }: Error) => {
      if (!isAway) console.error(`the server is away (${message}); asking again`);
      isAway = true;
    };
    const options = { attemptsMax, signal: stop.signal, onBroken };
    let cursor = "";
    try {
      for await (const message of followEntries(ledger, request, options)) {
        isAway = false;
        print(message);
        ({ cursor } = message);
        if (!follow && message.caughtUpTo !== undefined) break;
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      if (cursor !== "") console.error(`cursor ${cursor}`);
    }
  });
}

const OPTIONS = {
  ...CLIENT_OPTIONS,
  follow: { type: "boolean", default: false },
  cursor: { type: "string" },
  kind: { type: "string", multiple: true, default: [] as string[] },
} satisfies Parameters<typeof readArguments>[1];

/** A line of JSON for each entry, and for each change of the epoch. */
function printLines({ entries, feeds, epoch, epochChange }: StreamEntriesResponse): void {
  if (epochChange !== undefined) {
    console.log(JSON.stringify({ epochChange: asJson(EpochChangeSchema, epochChange) }));
  }
  entries.forEach((entry, index) => {
    const place = { epoch: String(epoch), feed: String(feeds[index]) };
    console.log(JSON.stringify({ entry: asJson(EntrySchema, entry), ...place }));
  });
}

function printTable(): (message: StreamEntriesResponse) => void {
  const lines = streamTable();
  return ({ entries, epochChange }) => {
    if (epochChange !== undefined) console.log(epochText(epochChange));
    if (entries.length > 0) console.log(lines(entries));
  };
}

function epochText({ endedEpoch, epoch, beginTime, doubtedFromFeed }: EpochChange): string {
  const begun = `epoch ${endedEpoch} ended: epoch ${epoch} began at ${timeText(beginTime)}`;
  if (doubtedFromFeed === 0n) return `── ${begun} ──`;
  const lost = `what came from feed number ${doubtedFromFeed} on may be lost, and what is left follows`;
  return `── ${begun}; ${lost} ──`;
}
