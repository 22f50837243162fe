import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { followEntries, type LedgerClient, untilAnswered } from "../client/follow.ts";
import { untilTaken } from "../relay/attempts.ts";
import { eventsOf, kindName } from "../relay/cloud-event.ts";
import { commandOf } from "../relay/command.ts";
import { openCursorFile, startOf } from "../relay/cursor-file.ts";
import { openDeadLetters, readDeadLetters } from "../relay/dead-letters.ts";
import { oneAfterTheOther, toStream } from "../relay/lines.ts";
import { inOrderOfUsers } from "../relay/parallel.ts";
import { type Piece, relay, type Sink, STOPPED } from "../relay/relay.ts";
import { webhookTo } from "../relay/webhook.ts";
import { stopSignals } from "../server/stop-signals.ts";
import { withClient } from "./client.ts";
import { type FeedFilter, type FeedOptions, readFeedOptions } from "./feed-options.ts";

/** `points feed`: delivers the ledger's entries to a webhook, a command, or standard output. */
export async function runFeed(args: readonly string[]): Promise<void> {
  const options = readFeedOptions(args, process.env["FEED_SECRET"]);
  const { source, filter, server } = options;
  const ending = endedBySignals();
  const sink = await openSink(options, ending.signal);
  if (source.kind === "letters") {
    return relay({ pieces: letters(source.path), sink, store: async () => {}, ending });
  }
  const file = await openCursorFile(source.cursorPath);
  const { kinds, userIdPrefix } = filter;
  const stream = { kinds: kinds.map(kindName).toSorted(), userIdPrefix };
  const cursor = startOf(file, stream) ?? source.from;
  const store = (reached: string) => file.store({ ...stream, cursor: reached });
  await withClient(server, async (_points, _policies, ledger) => {
    const pieces = streamed(ledger, { filter, cursor, signal: ending.signal });
    await relay({ pieces, sink, store, ending });
  });
}

/** The entries of the server, for ever. While it is away, it asks again. */
async function* streamed(
  ledger: LedgerClient,
  asked: { readonly filter: FeedFilter; readonly cursor: string; readonly signal: AbortSignal },
): AsyncGenerator<Piece> {
  const { filter, cursor, signal } = asked;
  const { alerts, kinds, userIdPrefix } = filter;
  let isAway = false;
  const onBroken = (error: Error) => {
    if (!isAway) say(`the server is away (${error.message}); asking again`);
    isAway = true;
  };
  // Nobody may miss an erasure.
  const asks = kinds.length === 0 ? [] : [...new Set([...kinds, EntryKind.ERASE])];
  const request = { cursor, kinds: asks, userIdPrefix };
  const options = { signal, onBroken };
  let ledgerId: string | undefined;
  for await (const message of followEntries(ledger, request, options)) {
    if (isAway) say("the server is back");
    isAway = false;
    ledgerId ??= (await untilAnswered(() => ledger.getLedger({}, { signal }), options)).ledgerId;
    yield { events: eventsOf(message, { ledgerId, alerts }), cursor: message.cursor };
  }
}

async function* letters(path: string): AsyncGenerator<Piece> {
  for await (const event of readDeadLetters(path)) yield { events: [event], cursor: "" };
}

async function openSink(
  { target, deadLettersPath, limits }: FeedOptions,
  signal: AbortSignal,
): Promise<Sink> {
  if (target.kind === "output") return toStream(process.stdout);
  const append = deadLettersPath === undefined ? undefined : await openDeadLetters(deadLettersPath);
  const shared = { limits, append, signal, say };
  if (target.kind === "command") {
    return oneAfterTheOther(untilTaken({ attempt: commandOf(target.command), ...shared }));
  }
  const send = webhookTo(target.url, target.secrets);
  const deliver = untilTaken({ attempt: ([event]) => send(event!), ...shared });
  return inOrderOfUsers((event) => deliver([event]));
}

/** More than a webhook may take. Who reads standard output may never read on. */
const STOP_MAX_MS = 20_000;

/**
 * The first signal ends the feed when what is under way is delivered, or after 20 s; a second ends it at
 * once.
 */
function endedBySignals(): AbortController {
  const ending = new AbortController();
  const { requested, hurried } = stopSignals();
  const stop = () => {
    ending.abort(STOPPED);
    setTimeout(() => process.exit(1), STOP_MAX_MS).unref();
  };
  void requested.then(stop);
  void hurried.then(() => process.exit(1));
  return ending;
}

function say(text: string): void {
  console.error(`points feed: ${text}`);
}
