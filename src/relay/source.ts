import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { EntryKind } from "../../gen/points/v1/account_pb.ts";
import type { LedgerService, StreamEntriesResponse } from "../../gen/points/v1/ledger_pb.ts";
import { isUnanswered } from "../client/unanswered.ts";

type LedgerClient = Client<typeof LedgerService>;

/** A server sends a message every second, at least. */
const SILENCE_MAX_MS = 30_000;

const BACKOFF_MS = 200;
const BACKOFF_MAX_MS = 10_000;

/** How a stream is followed. */
export type Following = {
  readonly client: LedgerClient;
  readonly signal: AbortSignal;
  /** Prints when the server goes away, and when it is back. */
  readonly say: (text: string) => void;
};

/**
 * Follows the stream of entries from a cursor on, until the signal's abort. If the server goes away, it goes on with
 * another, or with the same, from the last cursor.
 *
 * @throws {ConnectError} what no repeat mends, such as CURSOR_INVALID
 */
export async function* follow(
  { client, signal, say }: Following,
  {
    cursor: from,
    kinds,
    userIdPrefix,
  }: {
    readonly cursor: string;
    readonly kinds: readonly EntryKind[];
    readonly userIdPrefix: string;
  },
): AsyncGenerator<StreamEntriesResponse> {
  const filter = { kinds: [...kinds], userIdPrefix };
  let cursor = from;
  let failures = 0;
  while (!signal.aborted) {
    const silence = new AbortController();
    try {
      const either = { signal: AbortSignal.any([signal, silence.signal]) };
      const stream = client.streamEntries({ ...filter, cursor }, either)[Symbol.asyncIterator]();
      for (;;) {
        // The wait for the message alone counts, and not what is done with it.
        const late = setTimeout(() => silence.abort(), SILENCE_MAX_MS);
        const next = await stream.next().finally(() => clearTimeout(late));
        if (next.done === true) break;
        if (failures > 0) say("the server is back");
        failures = 0;
        ({ cursor } = next.value);
        yield next.value;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!silence.signal.aborted && !isPassing(error)) throw error;
      if (failures === 0) say(`the server is away (${(error as Error).message}); trying again`);
    } finally {
      silence.abort();
    }
    failures += 1;
    await backOff(failures, signal);
  }
}

/**
 * Asks for the ledger's id, until a server answers.
 *
 * @returns undefined after the signal's abort
 * @throws {ConnectError} what no repeat mends
 */
export async function askLedgerId(following: Following): Promise<string | undefined> {
  const { client, signal, say } = following;
  for (let failures = 1; ; failures += 1) {
    try {
      return (await client.getLedger({}, { signal, timeoutMs: SILENCE_MAX_MS })).ledgerId;
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!isPassing(error)) throw error;
      if (failures === 1) say(`the server is away (${(error as Error).message}); trying again`);
    }
    await backOff(failures, signal);
  }
}

/** Whether the server may soon answer otherwise. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return false;
  return isUnanswered(error) || PASSING.has(error.code);
}

const PASSING: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
  Code.Aborted,
  Code.Internal,
  Code.Unknown,
]);

async function backOff(failures: number, signal: AbortSignal): Promise<void> {
  const bound = Math.min(BACKOFF_MS * 2 ** (failures - 1), BACKOFF_MAX_MS);
  await sleep((bound * (1 + Math.random())) / 2, undefined, { signal }).catch(() => {});
}
