import { Code, ConnectError } from "@connectrpc/connect";
import type { Account } from "../../gen/points/v1/account_pb.ts";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** A stream that lasted so long was good: the waits begin anew. */
const GOOD_MS = 10_000;

/** "ended": the server will not take it again, as it is. */
export type WatchState = "connecting" | "live" | "lost" | "ended";

export type Watching = {
  /** Opens the stream. */
  readonly open: (signal: AbortSignal) => AsyncIterable<{ readonly account?: Account | undefined }>;
  readonly onAccount: (account: Account) => void;
  /** @param error why it has ended */
  readonly onState: (state: WatchState, error?: ConnectError) => void;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Resolves after a time, or as soon as the signal fires. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly nowMs: () => number;
};

/**
 * Watches an account until the signal fires. A stream that ends, whyever, is opened again: after half
 * a second at first, and after growing waits while it cannot be, so that a server that comes back is
 * not met by all pages at once.
 */
export async function keepWatching(watching: Watching): Promise<void> {
  const { open, onAccount, onState, signal, sleep, nowMs } = watching;
  onState("connecting");
  for (let failures = 0; !signal.aborted; failures += 1) {
    const openedMs = nowMs();
    try {
      for await (const { account } of open(signal)) {
        if (signal.aborted) return;
        if (account === undefined) continue;
        onAccount(account);
        onState("live");
      }
    } catch (error) {
      const reason = ConnectError.from(error);
      if (signal.aborted) return;
      if (FINAL.has(reason.code)) {
        onState("ended", reason);
        return;
      }
    }
    if (signal.aborted) return;
    onState("lost");
    if (nowMs() - openedMs >= GOOD_MS) failures = 0;
    await sleep(waitMs(failures), signal);
  }
}

/** The codes that another try would meet again. */
const FINAL: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.PermissionDenied,
  Code.Unauthenticated,
  Code.Unimplemented,
]);

/** Up to a quarter longer by chance: pages that lost a server together come back one by one. */
function waitMs(failures: number): number {
  const grown = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
  return grown * (1 + Math.random() / 4);
}
