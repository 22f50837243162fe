import { type ContextKey, ConnectError, createContextKey } from "@connectrpc/connect";
import { type Caller, NOBODY } from "./caller.ts";
import { type Admitted, FOR_EVER } from "./credentials.ts";

/** That a caller may go on with a call, for as long as it lasts. */
export type Lease = {
  /**
   * The caller, with what they may do now. It costs a comparison or two, unless something was read
   * again.
   *
   * @throws {ConnectError} if they are out, from then on each time
   */
  caller(): Caller | Promise<Caller>;
  /**
   * Keeps the caller to what a check lets them do.
   *
   * @param check throws why they may not
   * @throws {ConnectError} the same
   */
  require(check: (caller: Caller) => void): void;
  /** Fires when the caller is out, also while nobody asks; its reason is the error for them. */
  readonly out: AbortSignal;
  /** Ends the asking: what the call was for is under way. */
  close(): void;
};

/** Where a call's context has its lease. Only calls that Connect answers have one. */
export const leaseKey: ContextKey<Lease> = createContextKey<Lease>(
  openLease({ caller: NOBODY, untilMs: FOR_EVER, known: undefined }),
);

/** Asks again of who was let in: gives the same again, another, or the error for them. */
export type AskAgain = (admitted: Admitted) => Asked | Promise<Asked>;
type Asked = Admitted | ConnectError;

/** Leases that are asked again when `askAll` says so, and every second. */
export type Leases = {
  /**
   * Opens one.
   *
   * @param signal fires at the end of the call
   */
  readonly open: (admitted: Admitted, askAgain: AskAgain, signal: AbortSignal) => Lease;
  readonly askAll: () => void;
  readonly close: () => void;
};

// How long after its token's time a call that is silent goes on at the most.
const LOOK_MS = 1_000;

/** @param ended is told the error for who is out */
export function createLeases(ended: (error: ConnectError) => void): Leases {
  const leases = new Set<Lease>();
  const askAll = () => leases.forEach(ask);
  const looking = setInterval(askAll, LOOK_MS).unref();
  return {
    open(admitted, askAgain, signal) {
      const lease = openLease(admitted, askAgain, () => leases.delete(lease));
      lease.out.addEventListener("abort", () => ended(lease.out.reason as ConnectError));
      leases.add(lease);
      if (signal.aborted) lease.close();
      else signal.addEventListener("abort", lease.close, { once: true });
      return lease;
    },
    askAll,
    close: () => clearInterval(looking),
  };
}

/** The error, if any, is in the lease then. */
function ask(lease: Lease): void {
  try {
    const asked = lease.caller();
    if (asked instanceof Promise) asked.catch(() => {});
  } catch {}
}

/** Opens one for who was let in: for ever, unless told how to ask again. */
export function openLease(
  first: Admitted,
  askAgain: AskAgain = (same) => same,
  close: () => void = () => {},
): Lease {
  const out = new AbortController();
  const checks: ((caller: Caller) => void)[] = [];
  let admitted = first;
  let asking: Promise<Caller> | undefined;

  function caller(): Caller | Promise<Caller> {
    out.signal.throwIfAborted();
    if (asking !== undefined) return asking;
    const asked = askAgain(admitted);
    if (asked === admitted) return admitted.caller;
    if (!(asked instanceof Promise)) return settle(asked);
    asking = asked.then((found) => {
      asking = undefined;
      settle(found);
      // Meanwhile more may have been read again.
      return caller();
    });
    return asking;
  }

  function settle(found: Asked): Caller {
    try {
      if (found instanceof ConnectError) throw found;
      for (const check of checks) check(found.caller);
      admitted = found;
      return found.caller;
    } catch (error) {
      out.abort(error);
      throw error;
    }
  }

  return {
    caller,
    require(check) {
      check(admitted.caller);
      checks.push(check);
    },
    out: out.signal,
    close,
  };
}
