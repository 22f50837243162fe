import { type Account, type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";

/** The figures of an account that an act may change. */
export const FIGURES = [
  "balance",
  "frozen",
  "debt",
  "totalRecharged",
  "totalConsumed",
  "totalExpired",
  "totalRefunded",
  "totalRevoked",
] as const;

export type Figures = Pick<Account, (typeof FIGURES)[number]>;

/**
 * The figures right before an entry of an act: what others did in the meantime is in them, whenever
 * somebody last looked at the account.
 *
 * @param after as the entry left them
 */
export function figuresBefore(entry: Entry, after: Figures): Figures {
  const moved = movedBy(entry);
  const before = FIGURES.map((figure) => [figure, after[figure] - (moved[figure] ?? 0n)]);
  return Object.fromEntries(before) as Figures;
}

function movedBy({ kind, points, owed, repaid }: Entry): Partial<Figures> {
  const debt = owed - repaid;
  const brought = points - repaid;
  switch (kind) {
    case EntryKind.RECHARGE:
      return { debt, balance: brought, totalRecharged: points };
    case EntryKind.REFUND:
      return { debt, balance: brought, totalRefunded: points };
    case EntryKind.RELEASE:
      return { debt, balance: brought, frozen: -points };
    case EntryKind.REVOKE:
      return { debt, balance: owed - points, totalRevoked: points };
    case EntryKind.EXPIRE:
      return { balance: -points, totalExpired: points };
    default:
      // No other kind is of an act of the console but SET_POLICY, which moves nothing.
      return {};
  }
}

const COMPARED = ["points", "owed", "uncovered", "repaid"] as const;

/** How what was done differs from what a preview showed, in the numbers that an entry has. */
export function differences(shown: Entry, done: Entry) {
  return COMPARED.flatMap((number) =>
    shown[number] === done[number] ? [] : { number, shown: shown[number], done: done[number] },
  );
}
