import { type ContextKey, ConnectError, createContextKey } from "@connectrpc/connect";
import { type Caller, NOBODY } from "./caller.ts";
import { type Admitted, FOR_EVER } from "./credentials.ts";

/** A lease: a caller's permission to go on with a long call, checked until the call ends. */
export type Lease = {
  /**
   * The caller, with their scopes as of now. Unless something was reloaded, it costs a comparison
   * or two.
   *
   * @throws {ConnectError} once the lease has ended, from then on each time
   */
  caller(): Caller | Promise<Caller>;
  /**
   * Adds a condition: the lease ends when the check fails for the caller as they are by then.
   *
   * @param check throws the error if the caller does not pass
   * @throws {ConnectError} the same error, if the caller does not pass now
   */
  require(check: (caller: Caller) => void): void;
  /** Fires when the lease ends, also while nobody asks. Its reason is the error for the caller. */
  readonly out: AbortSignal;
  /** Ends the checking: the call has begun what it was made for. */
  close(): void;
};

/** The key of the lease in a call's context. Only calls that Connect's adapter answers have one. */
export const leaseKey: ContextKey<Lease> = createContextKey<Lease>(
  openLease({ caller: NOBODY, untilMs: FOR_EVER, known: undefined }),
);

/** Checks an admitted caller: gives the same object, a newer one, or the error for the caller. */
export type Recheck = (admitted: Admitted) => Rechecked | Promise<Rechecked>;
type Rechecked = Admitted | ConnectError;

/** All open leases. They are checked by `checkAll`, and every second. */
export type Leases = {
  /**
   * Opens a lease.
   *
   * @param signal fires at the end of the call
   */
  readonly open: (admitted: Admitted, recheck: Recheck, signal: AbortSignal) => Lease;
  readonly checkAll: () => void;
  readonly close: () => void;
};

// A silent call outlives its token by this at most.
const CHECK_MS = 1_000;

/** @param ended gets the error of each lease that ends */
export function createLeases(ended: (error: ConnectError) => void): Leases {
  const leases = new Set<Lease>();
  const checkAll = () => leases.forEach(checkLease);
  const timer = setInterval(checkAll, CHECK_MS).unref();
  return {
    open(admitted, recheck, signal) {
      const lease = openLease(admitted, recheck, () => leases.delete(lease));
      lease.out.addEventListener("abort", () => ended(lease.out.reason as ConnectError));
      leases.add(lease);
      if (signal.aborted) lease.close();
      else signal.addEventListener("abort", lease.close, { once: true });
      return lease;
    },
    checkAll,
    close: () => clearInterval(timer),
  };
}

/** Checks a lease. If it ends, the error is in the lease. */
function checkLease(lease: Lease): void {
  try {
    const caller = lease.caller();
    if (caller instanceof Promise) caller.catch(() => {});
  } catch {}
}

/** Opens a lease for an admitted caller. Without `recheck` it never ends. */
export function openLease(
  first: Admitted,
  recheck: Recheck = (same) => same,
  close: () => void = () => {},
): Lease {
  const out = new AbortController();
  const checks: ((caller: Caller) => void)[] = [];
  let admitted = first;
  let pending: Promise<Caller> | undefined;

  function caller(): Caller | Promise<Caller> {
    out.signal.throwIfAborted();
    if (pending !== undefined) return pending;
    const found = recheck(admitted);
    if (found === admitted) return admitted.caller;
    if (!(found instanceof Promise)) return settle(found);
    pending = found.then((later) => {
      pending = undefined;
      settle(later);
      // More may have been reloaded meanwhile.
      return caller();
    });
    return pending;
  }

  function settle(found: Rechecked): Caller {
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
