import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../support/random.ts";
import type { Replicated } from "../../support/standby.ts";
import type { Doubts } from "../load/doubts.ts";

/** Partitions the standby, disturbs the COMMITs that wait for it, and reconnects it. */
export async function leaveAndReturn(replicated: Replicated, random: Random): Promise<void> {
  await beApart(replicated, random);
  await replicated.rejoin();
}

/** Failover: partitions the standby, disturbs waiting COMMITs, and promotes it. */
export async function promoteStandby(
  replicated: Replicated,
  random: Random,
  doubts: Doubts,
): Promise<void> {
  const isOver = doubts.begin();
  // The standby has everything that was shown before it was cut off.
  await replicated.rejoin();
  await beApart(replicated, random);
  await replicated.promote();
  isOver();
  await replicated.rejoin();
}

async function beApart(replicated: Replicated, random: Random): Promise<void> {
  replicated.part();
  await sleep(random.whole(50, 800));
  const event = random.weighted({ nothing: 1, cancel: 2, terminate: 1, crash: 1 });
  if (event === "cancel") await replicated.endWaiting("pg_cancel_backend");
  if (event === "terminate") await replicated.endWaiting("pg_terminate_backend");
  if (event === "crash") await replicated.endAndStart("SIGKILL");
  await sleep(random.whole(50, 800));
}
