import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { Command } from "../ledger/command.ts";
import { isRejection } from "../ledger/rejection.ts";
import type { Orm } from "../store/driver/orm.ts";
import { type Due, findDue } from "../store/reads/due.ts";
import type { Submit } from "./group-commit.ts";

// Looking for what is due once a chunk; a lane gets as many commands at once.
const CHUNK_SIZE = 200;

/**
 * Books what has expired on accounts that nobody touches. It decides nothing: an expired lot
 * cannot be spent whether it is booked or not. It enqueues commands like any caller, a bounded
 * number at a time, so that traffic goes on beside it.
 *
 * @returns how many accounts had something booked
 */
export async function sweep(orm: Orm, submit: Submit, signal?: AbortSignal): Promise<number> {
  let booked = 0;
  let last: Due | undefined;
  for (;;) {
    const due = await findDue(orm.em.fork(), last, CHUNK_SIZE);
    last = due.at(-1);
    if (last === undefined) return booked;
    const userIds = new Set(due.map(({ userId }) => userId));
    for (const result of await submit([...userIds].map(expireDue))) {
      if (result instanceof Error) throw result;
      if (!isRejection(result) && result.entry !== undefined) booked += 1;
    }
    if (signal?.aborted === true) return booked;
  }
}

/** Sweeps every so often until `stop` is called, which waits for a sweep under way. */
export function startSweeper(
  orm: Orm,
  submit: Submit,
  everySeconds: number,
  log: Logger,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        const accounts = await sweep(orm, submit, signal);
        if (accounts > 0) log.info({ accounts }, "booked what had expired");
      } catch (err) {
        log.warn({ err }, "a sweep failed; the next one goes on");
      }
      await sleep(everySeconds * 1000, undefined, { signal }).catch(() => {});
    }
  }

  const running = run();
  return {
    stop() {
      stopping.abort();
      return running;
    },
  };
}

function expireDue(userId: string): Command {
  const target = { kind: "due" } as const;
  const unnamed = { request: undefined, metadata: new Map(), caller: "" };
  return { kind: "expire", userId, ...unnamed, target };
}
