import type { Socket } from "node:net";
import { ConnectError } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { Config } from "../config/environment.ts";
import { reloadOnHangup } from "../config/reload.ts";
import { reasonOf } from "../errors/api-error.ts";
import { ANYBODY, type Caller, NOBODY } from "./caller.ts";
import { type KnownCaller, readCallers } from "./callers-file.ts";
import {
  type Admitted,
  callerOf,
  type Credentials,
  FOR_EVER,
  isSignedBy,
  knownFrom,
  readCertificates,
} from "./credentials.ts";
import { KeysUnavailable, openJwts, TokenInvalid } from "./jwt.ts";
import { createLeases, type Lease, openLease } from "./lease.ts";
import { createRateLimiter, UNLIMITED, type RateLimiter } from "./rate-limit.ts";
import { keysUnavailable, rateLimited, unauthenticated } from "./refusals.ts";
import { denialOfMethod, isForEverybody } from "./rules.ts";

/** The admitted caller, or the error to answer the request with. */
export type Admission = Admitted | ConnectError;

/** The head of a call: all that is read of it to admit its caller. */
export type Head = Credentials & {
  /** As "/points.v1.PointsService/Consume". */
  readonly path: string;
};

/** Authentication and authorization. It asks no database, and none of its functions throws. */
export type Access = {
  /** Admits the caller of a method, and counts one request of theirs. */
  readonly admit: (head: Head) => Admission | Promise<Admission>;
  /**
   * Checks an admitted caller again: callers, keys or certificates may have been reloaded since,
   * and tokens expire. It counts nothing. Unless one of these happened, it costs a comparison or
   * two.
   */
  readonly readmit: (admitted: Admitted, head: Head) => Admission | Promise<Admission>;
  /** Checks an admitted caller again and again, until a call's signal fires. */
  readonly lease: (admitted: Admitted, head: Head, signal: AbortSignal) => Lease;
  /** Limits the operations of callers. `admit` has counted one for each request. */
  readonly rate: RateLimiter;
  /**
   * Rejects certificates from now on unless one of these authorities signed them directly.
   *
   * @param connections whose clients showed certificates while other authorities were trusted
   * @param authorities in PEM
   */
  readonly distrust: (connections: readonly Socket[], authorities: string) => void;
  readonly close: () => void;
};

export type AccessOptions = {
  readonly config: Config;
  readonly log: Logger;
  readonly toError: (thrown: unknown) => ConnectError;
  /** Gets the reason when a caller is refused, or loses their lease. */
  readonly refused: (reason: string) => void;
};

/**
 * Reads the file of callers, which SIGHUP reloads, and the keys of JWTs. If the configuration names
 * neither, everybody may do everything.
 *
 * @throws {UserError}
 */
export function openAccess({ config, log, toError, refused }: AccessOptions): Access {
  const { callers: path } = config;
  if (path === undefined && config.jwtKeys === undefined) return OPEN_ACCESS;
  let known = knownFrom(path === undefined ? [] : readCallers(path));
  const outdated = new WeakSet<Socket>();
  const report = (admission: Admission) => {
    if (admission instanceof ConnectError) refused(reasonOf(admission));
    return admission;
  };
  const leases = createLeases(report);
  const replaceKnown = (callers: readonly KnownCaller[]) => {
    known = knownFrom(callers);
    leases.checkAll();
  };
  const read = () => replaceKnown(readCallers(path!));
  const stopReloading =
    path === undefined ? () => {} : reloadOnHangup({ files: [path], read, log, what: "callers" });
  const jwts = openJwts(config, log, () => replaceKnown(known.callers));
  const rate = createRateLimiter(config.callerMaxPerSecond);

  const refusal = (thrown: unknown) => {
    if (thrown instanceof TokenInvalid) return unauthenticated(thrown.message);
    if (!(thrown instanceof KeysUnavailable)) return toError(thrown);
    log.error({ err: thrown }, "the keys of JWTs cannot be had");
    return keysUnavailable(thrown);
  };
  const check = (head: Head): Admission | Promise<Admission> => {
    const authorize = (found: Admission) =>
      found instanceof ConnectError ? found : (denialOfMethod(found.caller, head.path) ?? found);
    const found = callerOf(known, head, jwts, outdated);
    return found instanceof Promise ? found.catch(refusal).then(authorize) : authorize(found);
  };
  const recheck = (admitted: Admitted, head: Head) => {
    const { known: by, untilMs } = admitted;
    if (by !== undefined && by !== known) return check(head);
    // Reading the clock costs more than everything else here.
    return untilMs === FOR_EVER || untilMs > Date.now() ? admitted : check(head);
  };
  const count = (admission: Admission) => {
    if (admission instanceof ConnectError) return report(admission);
    const waitMs = rate.take(admission.caller.name);
    return waitMs === 0 ? admission : report(rateLimited(waitMs));
  };
  return {
    admit: (head) => (isForEverybody(head.path) ? NOBODY_ADMITTED : afterwards(check(head), count)),
    readmit: (admitted, head) => {
      const found = recheck(admitted, head);
      return found === admitted ? admitted : afterwards(found, report);
    },
    lease: (admitted, head, signal) => leases.open(admitted, (one) => recheck(one, head), signal),
    rate,
    distrust(connections, authorities) {
      if (connections.length === 0) return;
      const trusted = readCertificates(authorities);
      for (const socket of connections) if (!isSignedBy(trusted, socket)) outdated.add(socket);
      replaceKnown(known.callers);
    },
    close() {
      stopReloading();
      leases.close();
      jwts?.close();
    },
  };
}

const NOBODY_ADMITTED = forEver(NOBODY);
const ANYBODY_ADMITTED = forEver(ANYBODY);

const OPEN_ACCESS: Access = {
  admit: () => ANYBODY_ADMITTED,
  readmit: (admitted) => admitted,
  lease: (admitted) => openLease(admitted),
  rate: UNLIMITED,
  distrust: () => {},
  close: () => {},
};

function forEver(caller: Caller): Admitted {
  return { caller, untilMs: FOR_EVER, known: undefined };
}

/** Applies a function to a value now, or to a promise's value later. */
function afterwards<T, U>(value: T | Promise<T>, follow: (value: T) => U): U | Promise<U> {
  return value instanceof Promise ? value.then(follow) : follow(value);
}
