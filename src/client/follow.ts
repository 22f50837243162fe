import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type {
  LedgerService,
  StreamEntriesRequestSchema,
  StreamEntriesResponse,
} from "../../gen/points/v1/ledger_pb.ts";
import { DEFAULTS, type RetryLimits, sleep, waitAfter } from "./retry.ts";

/** How `followEntries` asks again, and until when. */
export type FollowOptions = Partial<RetryLimits> & {
  /** Ends the stream. */
  readonly signal?: AbortSignal | undefined;
  /** A server says something every second; a line that is silent for so long is taken as broken. */
  readonly silenceMaxMs?: number;
  /** Is told why the stream broke, each time before this asks again. */
  readonly onBroken?: (error: ConnectError) => void;
};

/**
 * Follows the stream of entries for as long as its caller reads. If the line breaks, or the server
 * or its database goes away, it asks again from the last cursor, with the backoff of `withRetries`.
 * `attemptsMax` counts the attempts in a row that bring nothing; by default there is no limit.
 *
 * It gives each message as it came, also those without entries, whose cursors move on, and those with
 * an `epochChange`, which says what its reader has to forget. Store a message's cursor when the
 * message is processed, and begin there the next time.
 *
 * @param request where to begin, and the filters. With the cursor "" it begins now
 * @throws {ConnectError} what asking again does not mend, such as CURSOR_INVALID or a withdrawn
 * token, and CANCELED after `signal`
 */
export async function* followEntries(
  ledger: LedgerClient,
  request: StreamRequest,
  { signal, silenceMaxMs = 30_000, ...options }: FollowOptions = {},
): AsyncGenerator<StreamEntriesResponse, never, undefined> {
  let { cursor = "" } = request;
  for (let attempt = 1; ; attempt++) {
    try {
      const call = stream(ledger, { ...request, cursor }, { signal, silenceMaxMs });
      for await (const message of call) {
        attempt = 1;
        cursor = message.cursor;
        yield message;
      }
    } catch (error) {
      await waitForNext(error, attempt, { signal, ...options });
    }
  }
}

/**
 * Asks for an answer as `followEntries` asks for the stream: again, until a server gives it.
 *
 * @throws {ConnectError} what asking again does not mend
 */
export async function untilAnswered<T>(call: () => Promise<T>, options: FollowOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      await waitForNext(error, attempt, options);
    }
  }
}

/** @throws the error, if asking again does not mend it */
async function waitForNext(
  error: unknown,
  attempt: number,
  { signal, onBroken, ...limits }: FollowOptions,
): Promise<void> {
  if (!(error instanceof ConnectError)) throw error;
  const retryLimits = { ...DEFAULTS, attemptsMax: Number.POSITIVE_INFINITY, ...limits };
  const waitMs = waitAfter({ error, attempt, endMs: undefined }, retryLimits);
  if (waitMs === undefined || signal?.aborted === true) throw error;
  onBroken?.(error);
  await sleep(waitMs, signal);
}

/** A client of LedgerService: see `createLedgerClient`. */
export type LedgerClient = Client<typeof LedgerService>;

type StreamRequest = MessageInitShape<typeof StreamEntriesRequestSchema>;

/** One call. It never ends well, since the server sends no end. */
async function* stream(
  ledger: LedgerClient,
  request: StreamRequest,
  { signal, silenceMaxMs }: { signal: AbortSignal | undefined; silenceMaxMs: number },
): AsyncGenerator<StreamEntriesResponse, never, undefined> {
  const call = new AbortController();
  const end = () => call.abort(signal?.reason);
  signal?.addEventListener("abort", end);
  if (signal?.aborted === true) end();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    // A deadline would end the stream: 0 also switches off that of the transport.
    const answers = ledger.streamEntries(request, { signal: call.signal, timeoutMs: 0 });
    const messages = answers[Symbol.asyncIterator]();
    for (;;) {
      // It counts only while this waits for the server, not while the reader is at work.
      timer = setTimeout(() => call.abort(unavailable("the stream is silent")), silenceMaxMs);
      const { done, value } = await messages.next();
      clearTimeout(timer);
      if (done === true) throw unavailable("the stream ended");
      yield value;
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
    // A reader that leaves its loop ends the call.
    call.abort();
  }
}

function unavailable(message: string): ConnectError {
  return new ConnectError(message, Code.Unavailable);
}
