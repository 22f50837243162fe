import type { Logger } from "pino";
import type { Command } from "../ledger/command.ts";
import { isRejection } from "../ledger/rejection.ts";
import type { Orm } from "../store/driver/orm.ts";
import { type Due, findDue } from "../store/reads/due.ts";
import type { Submit } from "./group-commit.ts";
import { repeat, type Repeated } from "./repeat.ts";

// The most due accounts that one query finds; a lane gets at most as many commands at once.
const CHUNK_SIZE = 200;

/**
 * Sweep: a background job that books what is due on idle accounts. It decides nothing: an expired
 * lot cannot be spent whether it is booked or not. It submits commands as any caller does, a bounded
 * number at a time, so that traffic goes on beside it.
 *
 * @param signal ends it after the chunk under way
 * @returns the number of accounts on which something was booked
 * @throws the first Error that a command results in
 */
export async function sweep(orm: Orm, submit: Submit, signal?: AbortSignal): Promise<number> {
  let booked = 0;
  let last: Due | undefined;
  for (;;) {
    const due = await findDue(orm.em.fork(), last, CHUNK_SIZE);
    last = due.at(-1);
    if (last === undefined) return booked;
    for (const result of await submit(due.map(({ userId }) => sweepDue(userId)))) {
      if (result instanceof Error) throw result;
      if (!isRejection(result) && result.entry !== undefined) booked += 1;
    }
    if (signal?.aborted === true) return booked;
  }
}

/** Sweeps periodically until `stop` is called, which waits for the sweep under way. */
export function startSweeper(
  orm: Orm,
  submit: Submit,
  everySeconds: number,
  log: Logger,
): Repeated {
  return repeat(async (signal) => {
    try {
      const accounts = await sweep(orm, submit, signal);
      if (accounts > 0) log.info({ accounts }, "booked what had expired");
    } catch (err) {
      log.warn({ err }, "a sweep failed; the next one goes on");
    }
    return everySeconds * 1000;
  });
}

function sweepDue(userId: string): Command {
  const target = { kind: "sweep" } as const;
  const unnamed = { request: undefined, metadata: new Map(), caller: "", actor: "" };
  return { kind: "expire", userId, ...unnamed, target };
}
