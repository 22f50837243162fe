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
import { createRate, NO_RATE, type Rate } from "./rate.ts";
import { keysUnavailable, rateLimited, unauthenticated } from "./refusals.ts";
import { denialOfMethod, isForEverybody } from "./rules.ts";

/** Who was let in, or the error that the request is answered with. */
export type Admission = Admitted | ConnectError;

/** A call, of which nothing is read to let its caller in but the head. */
export type Head = Credentials & {
  /** As "/points.v1.PointsService/Consume". */
  readonly path: string;
};

/** Who may call this server. Nothing is looked up for it, and nothing of it throws. */
export type Access = {
  /** Lets the caller of a method in, and counts a request of theirs. */
  readonly admit: (head: Head) => Admission | Promise<Admission>;
  /**
   * Asks again of who was let in: callers, keys or certificates may have been read again since, and
   * tokens expire. It counts nothing, and costs a comparison or two unless one of that is so.
   */
  readonly readmit: (admitted: Admitted, head: Head) => Admission | Promise<Admission>;
  /** Asks again and again of who was let in, until a call's signal fires. */
  readonly lease: (admitted: Admitted, head: Head, signal: AbortSignal) => Lease;
  /** Counts the operations of callers; one for each request is counted by `admit`. */
  readonly rate: Rate;
  /**
   * Has certificates count no longer unless one of these authorities has signed them itself.
   *
   * @param connections whose clients showed them while other authorities were trusted
   * @param authorities in PEM
   */
  readonly distrust: (connections: readonly Socket[], authorities: string) => void;
  readonly close: () => void;
};

export type AccessOptions = {
  readonly config: Config;
  readonly log: Logger;
  readonly toError: (thrown: unknown) => ConnectError;
  /** Told the reason for which somebody is not let in, or is put out. */
  readonly refused: (reason: string) => void;
};

/**
 * Reads who may call: the file of callers, again at each SIGHUP, and the keys of JWTs. Without
 * either everybody may do all.
 *
 * @throws {UserError}
 */
export function openAccess({ config, log, toError, refused }: AccessOptions): Access {
  const { callers: path } = config;
  if (path === undefined && config.jwtKeys === undefined) return OPEN_ACCESS;
  let known = knownFrom(path === undefined ? [] : readCallers(path));
  const outdated = new WeakSet<Socket>();
  const tell = (error: ConnectError) => refused(reasonOf(error));
  const leases = createLeases(tell);
  const readAgain = (callers: readonly KnownCaller[]) => {
    known = knownFrom(callers);
    leases.askAll();
  };
  const read = () => readAgain(readCallers(path!));
  const stopReading =
    path === undefined ? () => {} : reloadOnHangup({ files: [path], read, log, what: "callers" });
  const jwts = openJwts(config, log, () => readAgain(known.callers));
  const rate = createRate(config.callerMaxPerSecond);

  const refusal = (thrown: unknown) => {
    if (thrown instanceof TokenInvalid) return unauthenticated(thrown.message);
    if (!(thrown instanceof KeysUnavailable)) return toError(thrown);
    log.error({ err: thrown }, "the keys of JWTs cannot be had");
    return keysUnavailable(thrown);
  };
  const ask = (head: Head): Admission | Promise<Admission> => {
    const judge = (found: Admission) =>
      found instanceof ConnectError ? found : (denialOfMethod(found.caller, head.path) ?? found);
    const found = callerOf(known, head, jwts, outdated);
    return found instanceof Promise ? found.catch(refusal).then(judge) : judge(found);
  };
  const count = (admission: Admission) => {
    if (admission instanceof ConnectError) return told(admission);
    const waitMs = rate.take(admission.caller.name);
    return waitMs === 0 ? admission : told(rateLimited(waitMs));
  };
  const told = (admission: Admission) => {
    if (admission instanceof ConnectError) tell(admission);
    return admission;
  };
  const askAgain = (admitted: Admitted, head: Head) => {
    const { known: by, untilMs } = admitted;
    if (by !== undefined && by !== known) return ask(head);
    // The clock is dearer than all else here.
    return untilMs === FOR_EVER || untilMs > Date.now() ? admitted : ask(head);
  };
  return {
    admit: (head) => (isForEverybody(head.path) ? NOBODY_ADMITTED : afterwards(ask(head), count)),
    readmit: (admitted, head) => {
      const asked = askAgain(admitted, head);
      return asked === admitted ? admitted : afterwards(asked, told);
    },
    lease: (admitted, head, signal) => leases.open(admitted, (one) => askAgain(one, head), signal),
    rate,
    distrust(connections, authorities) {
      if (connections.length === 0) return;
      const trusted = readCertificates(authorities);
      for (const socket of connections) if (!isSignedBy(trusted, socket)) outdated.add(socket);
      readAgain(known.callers);
    },
    close() {
      stopReading();
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
  rate: NO_RATE,
  distrust: () => {},
  close: () => {},
};

function forEver(caller: Caller): Admitted {
  return { caller, untilMs: FOR_EVER, known: undefined };
}

/** Goes on with what is there already, or will be. */
function afterwards<T, U>(value: T | Promise<T>, follow: (value: T) => U): U | Promise<U> {
  return value instanceof Promise ? value.then(follow) : follow(value);
}
