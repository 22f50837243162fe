import type { Micros } from "../../ledger/time.ts";
import { isPoolBusy } from "../driver/connect.ts";
import type { Orm } from "../driver/orm.ts";
import { WrongServer } from "../driver/transaction.ts";
import { type Reading, readSnapshot } from "./reading.ts";

/** Reads that may lag: of a standby while there is one, else of the primary. */
export type Lagging = {
  /**
   * Runs a read on a standby. Whatever it throws there, it runs again on the primary, and so what it
   * throws comes from the primary: a standby may lack what there is, and may cancel a read.
   */
  read<T>(work: (reading: Reading) => Promise<T>): Promise<T>;
  /** The same, with another way to ask the primary. */
  readOr<T>(work: (reading: Reading) => Promise<T>, onPrimary: () => Promise<T>): Promise<T>;
};

/** The standby lacks what the read is to show. The primary is asked then. */
export class TooOld extends Error {
  constructor() {
    super("the standby lags");
  }
}

/** All connections for such reads are in use. The primary is not asked instead of a standby. */
export class TooBusy extends Error {
  constructor(cause: unknown) {
    super("all connections for sums are in use: ask later", { cause });
  }
}

/**
 * Refuses a standby's state that is older than what the caller has seen.
 *
 * @throws {TooOld}
 */
export function requireSince({ lags, asOf }: Pick<Reading, "lags" | "asOf">, since: Micros): void {
  if (lags && asOf < since) throw new TooOld();
}

/** A standby, which may be away. */
export type Standby = {
  /**
   * Runs a read on it.
   *
   * @returns undefined: it is away, it fell away meanwhile, or the read failed
   * @throws {TooBusy} as the read
   */
  ask<T>(read: () => Promise<T>): Promise<{ readonly answer: T } | undefined>;
};

type Pools = {
  readonly primary: Orm;
  /** Whether what finds no free connection is refused ({@link TooBusy}): its reads take long. */
  readonly refusesBusy?: boolean;
  /** Undefined: there is none. */
  readonly standby: { readonly pool: Orm; readonly state: Standby } | undefined;
};

/** Makes reads that may lag, by a pool to the primary and one to its standby. */
export function laggingReads({ primary, standby, refusesBusy = false }: Pools): Lagging {
  const busy = (error: unknown): never => {
    throw refusesBusy && isPoolBusy(error) ? new TooBusy(error) : error;
  };

  async function readOr<T>(
    work: (reading: Reading) => Promise<T>,
    onPrimary: () => Promise<T>,
  ): Promise<T> {
    const found = await standby?.state.ask(() => readStandby(standby.pool, work).catch(busy));
    return found === undefined ? onPrimary() : found.answer;
  }

  return { readOr, read: (work) => readOr(work, () => readSnapshot(primary, work).catch(busy)) };
}

/**
 * A server that takes writes is not asked here: it may be a standby that was promoted while the servers'
 * primary goes on, and then would show another ledger.
 */
async function readStandby<T>(pool: Orm, work: (reading: Reading) => Promise<T>): Promise<T> {
  return readSnapshot(pool, (reading) => {
    if (!reading.lags) throw new WrongServer("the standby takes writes");
    return work(reading);
  });
}
