import { MAX_POINTS } from "./account.ts";
import type { Command, CostOrRefusal, Expire } from "./command.ts";
import { isRejection } from "./rejection.ts";

/** The parts of its account that a command reads or changes, beside the account's own row. */
export type Needs = {
  /** The most points that it takes from lots, in burn order. */
  readonly points: bigint;
  /** The lot, the hold and the entry that it names; undefined: it names none. */
  readonly lot: bigint | undefined;
  readonly hold: bigint | undefined;
  readonly entry: bigint | undefined;
  /** Whether it has to know how many open holds there are. */
  readonly openHolds: boolean;
  /** Whether it may add a receipt to an account that exists, and so needs the last one. */
  readonly lastReceipt: boolean;
};

/** The parts of its account that a command needs: the store loads these and no others. */
export function needsOf(command: Command): Needs {
  switch (command.kind) {
    case "open":
    case "recharge":
      return NOTHING;
    case "consume":
      return { ...NOTHING, points: pointsOf(command.cost) };
    case "freeze":
      return { ...NOTHING, points: pointsOf(command.cost), openHolds: true };
    case "expire":
      return needsOfExpire(command);
    case "settle":
    case "release":
      return { ...NOTHING, hold: command.hold };
    case "refund":
      return { ...NOTHING, entry: command.sequence };
  }
}

const NOTHING: Needs = {
  points: 0n,
  lot: undefined,
  hold: undefined,
  entry: undefined,
  openHolds: false,
  lastReceipt: false,
};

function needsOfExpire({ target, request }: Expire): Needs {
  // It leaves a receipt if there is nothing to expire.
  const needs = { ...NOTHING, lastReceipt: request !== undefined };
  switch (target.kind) {
    case "points":
      return { ...needs, points: target.points };
    case "lot":
      // A lot never has more, since one command made it.
      return { ...needs, points: MAX_POINTS, lot: target.lot };
    case "due":
      // What is due is booked before the commands, and loaded for every account.
      return needs;
  }
}

function pointsOf(cost: CostOrRefusal): bigint {
  return isRejection(cost) ? 0n : cost.points;
}
