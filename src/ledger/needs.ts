import { MAX_POINTS, min } from "./account.ts";
import type {
  AskedCost,
  Command,
  Consume,
  Expire,
  Freeze,
  Guarded,
  Revoke,
  Settle,
} from "./command.ts";
import { admits, type Lot, type Service } from "./lot.ts";
import { type Cost, serviceOf } from "./prices.ts";
import { isRejection } from "./rejection.ts";

/** The parts of its account that a command reads or changes, beside the account's own row. */
export type Needs = {
  /** The points that it takes from lots in burn order, unless it is refused, and what for. */
  readonly points: bigint;
  /** The points that it takes if another price list is in force. */
  readonly orPoints: readonly bigint[];
  /** Whether it takes what there is if the account has fewer points. */
  readonly orLess: boolean;
  readonly service: Service;
  /** Whether it may take these points only of lots without services. */
  readonly orGeneral: boolean;
  /** The points that it recharges, at once or by an allowance, unless it is refused. */
  readonly recharged: bigint;
  /** The lot that it expires or revokes, and the hold that it is about; undefined: none. */
  readonly lot: bigint | undefined;
  readonly hold: bigint | undefined;
  /** Whether it must know when that hold was made. */
  readonly freezeTime: boolean;
  /** The entry that it refunds, and the points; undefined points: all that is left. */
  readonly refund: { readonly entry: bigint; readonly points: bigint | undefined } | undefined;
  /** Whether it revokes points of the lot, and so needs to know how many were revoked before. */
  readonly revokes: boolean;
  /** The entry whose hash it compares; undefined: none. */
  readonly guarded: bigint | undefined;
  /** The member who spends, whose counts limits for each member have; empty: none. */
  readonly member: string;
  /** Whether it may add a receipt to an account that exists, and so needs the last one. */
  readonly lastReceipt: boolean;
};

/** What a command asks for in burn order. */
export type Ask = Pick<Needs, "points" | "orPoints" | "orLess" | "service">;

/** The parts of its account that a command needs: the store loads these and no others. */
export function needsOf(command: Command): Needs {
  switch (command.kind) {
    case "open":
      return NOTHING;
    case "recharge":
      return { ...NOTHING, recharged: command.points };
    case "consume":
      return { ...ofSpender(command), orLess: takesLess(command) };
    case "freeze":
      return ofSpender(command);
    case "expire":
      return needsOfExpire(command);
    case "revoke":
      return needsOfRevoke(command);
    case "extendHold": {
      // Of which lots it takes, the hold's service tells.
      const { more, hold, expiration } = command;
      const taken = more === undefined ? undefined : taking(more);
      const freezeTime = expiration !== undefined;
      const guarded = guardedBy(command, hold);
      return { ...NOTHING, ...taken, orGeneral: true, hold, freezeTime, guarded };
    }
    case "settle": {
      // What the hold does not pay, the balance does. How much that is, only the hold tells.
      const { cost, hold } = command;
      const beside = takesLess(command) && cost !== undefined ? taking(cost) : undefined;
      return { ...NOTHING, ...beside, hold, orLess: true, guarded: guardedBy(command, hold) };
    }
    case "release":
      return { ...NOTHING, hold: command.hold, guarded: guardedBy(command, command.hold) };
    case "refund": {
      const { sequence: entry, points } = command;
      return { ...NOTHING, refund: { entry, points }, guarded: guardedBy(command, entry) };
    }
    // The policies of an account are loaded for whatever command there is.
    case "putPolicy": {
      // An allowance that begins now gives its first period at once.
      const { rule } = command;
      return { ...NOTHING, recharged: rule.kind === "allowance" ? rule.points : 0n };
    }
    case "deletePolicy":
      return NOTHING;
  }
}

/**
 * What the commands of a batch may lack of an account's lots if they take in burn order from those at
 * hand. Whatever else comes to be at hand, or is refused, they lack no more.
 *
 * A command that asks for more than the account can ever have for it in the batch is refused whatever
 * is loaded, and lacks nothing: else one call that asks for a billion would load all lots. One that
 * takes what there is may take all, and one that has several prices may take the dearest that the
 * account can pay.
 *
 * @param asked by each command, in their order
 * @param atHand lots in burn order
 * @param atMost the points that the account has, frozen ones too, with all that the batch may bring
 * @param beyond the points of lots that only some services may take and that are not at hand
 */
export function lackOf(
  asked: readonly Ask[],
  { atHand, atMost, beyond }: { atHand: readonly Lot[]; atMost: bigint; beyond: bigint },
): Lack {
  const left = atHand.map(({ remaining }) => remaining);
  let points = 0n;
  let isTooMuch = false;
  for (const { points: first, orPoints, orLess, service } of asked) {
    const most = atMost - unusable(atHand, service) - (service === null ? beyond : 0n);
    const taken = (some: bigint) => (some <= most ? some : orLess ? most : 0n);
    let lacking = taken(first);
    if (first > most) isTooMuch = true;
    for (const other of orPoints) {
      if (other > most) isTooMuch = true;
      if (taken(other) > lacking) lacking = taken(other);
    }
    for (let at = 0; at < left.length && lacking > 0n; at += 1) {
      if (!admits(atHand[at]!, service)) continue;
      const some = min(left[at]!, lacking);
      left[at]! -= some;
      lacking -= some;
    }
    points += lacking;
  }
  return { points, isTooMuch };
}

/** The points that are not at hand; and whether a command asks for more than there can be. */
export type Lack = { readonly points: bigint; readonly isTooMuch: boolean };

/** What lots have that may not be taken for this. */
function unusable(lots: readonly Lot[], service: Service): bigint {
  let sum = 0n;
  for (const lot of lots) if (!admits(lot, service)) sum += lot.remaining;
  return sum;
}

const NOTHING: Needs = {
  points: 0n,
  orPoints: [],
  orLess: false,
  service: null,
  orGeneral: false,
  recharged: 0n,
  lot: undefined,
  hold: undefined,
  freezeTime: false,
  refund: undefined,
  revokes: false,
  guarded: undefined,
  member: "",
  lastReceipt: false,
};

function ofSpender({ cost, member }: Consume | Freeze): Needs {
  return { ...NOTHING, ...taking(cost), member };
}

function guardedBy({ expectedHash }: Guarded, entry: bigint): bigint | undefined {
  return expectedHash === undefined ? undefined : entry;
}

function needsOfExpire({ target, request }: Expire): Needs {
  // It leaves a receipt if there is nothing to expire.
  const needs = { ...NOTHING, lastReceipt: request !== undefined };
  switch (target.kind) {
    case "points":
      return { ...needs, points: target.points, service: undefined };
    case "lot":
      // It takes nothing in burn order, but all of this lot, which then supplies nothing to others.
      return { ...needs, lot: target.lot, guarded: guardedBy(target, target.lot) };
    case "due":
    case "sweep":
      // What is due is booked before the commands, and loaded for every account.
      return needs;
  }
}

function needsOfRevoke({ target, onShortfall }: Revoke): Needs {
  const orLess = onShortfall !== "refuse";
  if (target.kind === "points") {
    return { ...NOTHING, points: target.points, service: undefined, orLess };
  }
  const { lot } = target;
  const ofLot = { ...NOTHING, lot, revokes: true, guarded: guardedBy(target, lot) };
  // What the lot lacks, others owe. How much that is, only the lot tells.
  if (onShortfall !== "owe") return ofLot;
  return { ...ofLot, points: target.points ?? MAX_POINTS, orLess };
}

function takesLess({ onShortfall }: Consume | Settle): boolean {
  return onShortfall !== "refuse";
}

/** Which list is in force is known only once the database's clock is read, together with the lots. */
function taking(cost: AskedCost): Pick<Needs, "points" | "orPoints" | "service"> | undefined {
  if (!("byInstant" in cost))
    return isRejection(cost) ? undefined : { ...ofCost(cost), orPoints: NOTHING.orPoints };
  const costs = cost.byInstant.flatMap((one) => (isRejection(one.cost) ? [] : [one.cost]));
  const [first] = costs;
  if (first === undefined) return undefined;
  return { ...ofCost(first), orPoints: costs.map(({ points }) => points) };
}

function ofCost(cost: Cost): Pick<Needs, "points" | "service"> {
  return { points: cost.points, service: serviceOf(cost) };
}
