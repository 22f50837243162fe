import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { LedgerService, type StreamEntriesResponse } from "../../gen/points/v1/ledger_pb.ts";
import { UserError } from "../errors/user-error.ts";
import { untilTaken } from "../relay/attempts.ts";
import { eventsOf, kindName } from "../relay/cloud-event.ts";
import { commandOf } from "../relay/command.ts";
import { openCursorFile, startOf } from "../relay/cursor-file.ts";
import { openDeadLetters, readDeadLetters } from "../relay/dead-letters.ts";
import { oneAfterTheOther, toStream } from "../relay/lines.ts";
import { inOrderOfUsers } from "../relay/parallel.ts";
import { type Piece, relay, type Sink, STOPPED } from "../relay/relay.ts";
import { askLedgerId, follow } from "../relay/source.ts";
import { webhookTo } from "../relay/webhook.ts";
import { stopSignals } from "../server/stop-signals.ts";
import { errorText, serverUrl, withToken } from "./client.ts";
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
  await withTransport(server, async (transport) => {
    const following = {
      client: createClient(LedgerService, transport),
      signal: ending.signal,
      say,
    };
    const ledgerId = await askLedgerId(following);
    if (ledgerId === undefined) return;
    const kinds = filter.kinds.map(kindName).toSorted();
    const stream = { ledgerId, kinds, userIdPrefix: filter.userIdPrefix };
    const from = { ...filter, cursor: startOf(file, stream) ?? source.from };
    const store = (cursor: string) => file.store({ ...stream, cursor });
    const messages = follow(following, from);
    await relay({ pieces: piecesOf(messages, ledgerId, filter), sink, store, ending });
  });
}

/** Connects to the server for as long as `work` lasts, however long a call may. */
async function withTransport(
  server: string | undefined,
  work: (transport: Transport) => Promise<void>,
): Promise<void> {
  const baseUrl = serverUrl(server);
  const sessionManager = new Http2SessionManager(baseUrl);
  const interceptors = [withToken(process.env["POINTS_TOKEN"])];
  try {
    await work(createGrpcTransport({ baseUrl, sessionManager, interceptors }));
  } catch (error) {
    throw error instanceof ConnectError ? new UserError(errorText(error, baseUrl)) : error;
  } finally {
    sessionManager.abort();
  }
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

async function* piecesOf(
  messages: AsyncIterable<StreamEntriesResponse>,
  ledgerId: string,
  { alerts }: FeedFilter,
): AsyncGenerator<Piece> {
  for await (const message of messages) {
    yield { events: eventsOf(message, { ledgerId, alerts }), cursor: message.cursor };
  }
}

async function* letters(path: string): AsyncGenerator<Piece> {
  for await (const event of readDeadLetters(path)) yield { events: [event], cursor: "" };
}

/** The first signal ends the feed when what is under way is delivered; a second ends it at once. */
function endedBySignals(): AbortController {
  const ending = new AbortController();
  const { requested, hurried } = stopSignals();
  void requested.then(() => ending.abort(STOPPED));
  void hurried.then(() => process.exit(1));
  return ending;
}

function say(text: string): void {
  console.error(`points feed: ${text}`);
}
