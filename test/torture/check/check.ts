import type { Clock } from "../deployment/clock.ts";
import { type Doubts, withoutDoubts } from "../load/doubts.ts";
import type { History } from "../load/history.ts";
import type { Prices } from "../oracle/pricing.ts";
import { checkAnswers, checkWithdrawn } from "./check-answers.ts";
import { checkJournal } from "./check-journal.ts";
import { checkRest } from "./check-rest.ts";
import { checkOrder } from "./order.ts";
import type { Reading } from "./read-account.ts";

/** A violation: something that is wrong with an account. */
export type Finding = {
  /** An acknowledged operation is missing (lost), or applied twice (doubled); or anything else. */
  readonly kind: "lost" | "doubled" | "mismatch";
  readonly what: string;
  /** The entry concerned, if there is one. */
  readonly sequence?: bigint | undefined;
  /** The operation concerned, if there is one. */
  readonly tag?: string | undefined;
};

/** What a check needs besides the account. */
export type World = {
  readonly clock: Clock;
  readonly doubts: Doubts;
  readonly prices: Prices;
};

/** Reports a violation. */
export type Complain = (
  kind: Finding["kind"],
  what: string,
  about?: { sequence?: bigint | undefined; tag?: string | undefined },
) => void;

/**
 * History checker: linearizability of one account. It compares the account as the API shows it with
 * the history of all its requests and answers. The journal gives the order of the operations, so
 * the checker need not search for one:
 *
 * - the oracle's replay of the journal's operations gives the same journal, hash chain included;
 * - an operation that ended before another began comes before it;
 * - an acknowledged operation is there once, as answered; one that was not applied is not there; an
 *   unknown one is there once or not at all; every operation in the journal was requested;
 * - a refusal was necessary at some moment of its call;
 * - no operation that was sent while its caller was out is applied;
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
