import type { Command, Consume, CostOrRefusal, Expire, Settle } from "./command.ts";
import { isRejection } from "./rejection.ts";

/** The parts of its account that a command reads or changes, beside the account's own row. */
export type Needs = {
  /** The points that it takes from lots in burn order, unless it is refused. */
  readonly points: bigint;
  /** Whether it takes what there is if the account has fewer points. */
  readonly orLess: boolean;
  /** The points that it recharges, unless it is refused. */
  readonly recharged: bigint;
  /** The lot that it expires, and the hold that it closes; undefined: none. */
  readonly lot: bigint | undefined;
  readonly hold: bigint | undefined;
  /** The entry that it refunds, and the points; undefined points: all that is left. */
  readonly refund: { readonly entry: bigint; readonly points: bigint | undefined } | undefined;
  /** Whether it may add a receipt to an account that exists, and so needs the last one. */
  readonly lastReceipt: boolean;
};

/** The points that a command asks for. */
export type Ask = Pick<Needs, "points" | "orLess">;

/** The parts of its account that a command needs: the store loads these and no others. */
export function needsOf(command: Command): Needs {
  switch (command.kind) {
    case "open":
      return NOTHING;
    case "recharge":
      return { ...NOTHING, recharged: command.points };
    case "consume":
      return { ...NOTHING, points: pointsOf(command.cost), orLess: takesLess(command) };
    case "freeze":
      return { ...NOTHING, points: pointsOf(command.cost) };
    case "expire":
      return needsOfExpire(command);
    case "settle": {
      // What the hold does not pay, the balance does. How much that is, only the hold tells.
      const beside = takesLess(command) && command.cost !== undefined ? pointsOf(command.cost) : 0n;
      return { ...NOTHING, hold: command.hold, points: beside, orLess: true };
    }
    case "release":
      return { ...NOTHING, hold: command.hold };
    case "refund":
      return { ...NOTHING, refund: { entry: command.sequence, points: command.points } };
  }
}

/**
 * The most points that the commands of a batch take from an account's lots in burn order. A command
 * that asks for more than the account can ever have in the batch is refused whatever is loaded, and
 * adds nothing: else one call that asks for a billion would load all lots. One that takes what there
 * is may take all.
 *
 * @param asked what each command asks for
 * @param atMost the points that the account has, frozen ones too, with all that the batch may bring
 */
export function demandOf(asked: readonly Ask[], atMost: bigint): bigint {
  return asked.reduce((sum, { points, orLess }) => {
    if (points <= atMost) return sum + points;
    return orLess ? sum + atMost : sum;
  }, 0n);
}

const NOTHING: Needs = {
  points: 0n,
  orLess: false,
  recharged: 0n,
  lot: undefined,
  hold: undefined,
  refund: undefined,
  lastReceipt: false,
};

function needsOfExpire({ target, request }: Expire): Needs {
  // It leaves a receipt if there is nothing to expire.
  const needs = { ...NOTHING, lastReceipt: request !== undefined };
  switch (target.kind) {
    case "points":
      return { ...needs, points: target.points };
    case "lot":
      // It takes nothing in burn order, but all of this lot, which then supplies nothing to others.
      return { ...needs, lot: target.lot };
    case "due":
      // What is due is booked before the commands, and loaded for every account.
      return needs;
  }
}

function takesLess({ onShortfall }: Consume | Settle): boolean {
  return onShortfall.kind !== "refuse";
}

function pointsOf(cost: CostOrRefusal): bigint {
  return isRejection(cost) ? 0n : cost.points;
}
