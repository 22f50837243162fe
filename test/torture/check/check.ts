import type { Clock } from "../deployment/clock.ts";
import { type Doubts, withoutDoubts } from "../load/doubts.ts";
import type { History } from "../load/history.ts";
import type { Prices } from "../oracle/pricing.ts";
import { checkAnswers } from "./check-answers.ts";
import { checkJournal } from "./check-journal.ts";
import { checkRest } from "./check-rest.ts";
import { checkWithdrawn } from "./check-withdrawn.ts";
import { checkOrder } from "./order.ts";
import type { Reading } from "./read-account.ts";

/** What is wrong with an account. */
export type Finding = {
  /** An acknowledged operation is not there; is there twice; or anything else. */
  readonly kind: "lost" | "doubled" | "mismatch";
  readonly what: string;
  /** The entry that it is about, if it is about one. */
  readonly sequence?: bigint | undefined;
  /** The operation that it is about, if it is about one. */
  readonly tag?: string | undefined;
};

/** What a check needs to know beside the account. */
export type World = {
  readonly clock: Clock;
  readonly doubts: Doubts;
  readonly prices: Prices;
};

/** Notes what is wrong. */
export type Complain = (
  kind: Finding["kind"],
  what: string,
  about?: { sequence?: bigint | undefined; tag?: string | undefined },
) => void;

/**
 * Compares an account as the API shows it with all that was asked of it and answered:
 *
 * - its journal is what the rules make of the operations in it, hash chain and all;
 * - an operation that ended before another began comes before it;
 * - what was acknowledged is there, once, as it was answered; what was called not applied is not;
 *   what is unknown is there once or not at all; nothing is there that nobody asked for;
 * - what was refused had to be refused, at some moment of its call;
 * - nothing is applied of a caller who was out by then;
 * - lots and holds are what the journal leaves.
 */
export async function checkAccount(
  all: History,
  reading: Reading,
  world: World,
): Promise<Finding[]> {
  const history = withoutDoubts(all, world.doubts);
  const findings: Finding[] = [];
  const complain: Complain = (kind, what, about = {}) => {
    findings.push({ kind, what: `${history.userId}: ${what}`, ...about });
  };
  const order = checkOrder(history, reading, world.clock, complain);
  checkWithdrawn(all, order, complain);
  const sightings = checkAnswers(history, reading, order, world, complain);
  const replayed = await checkJournal(history, reading, order, world, sightings, complain);
  if (replayed !== undefined) checkRest(history, reading, replayed, world.clock, complain);
  return findings;
}
