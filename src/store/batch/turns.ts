// An account with 4,096 lots beyond its row costs some milliseconds wherever a batch has to look
// through them. Without a bound, a batch about hundreds of such accounts would stop all others for
// seconds: so only some have their turn, and the others wait for the lane's next batch.

/** The most rows that a batch looks through; one account may have more. */
export const TURN_MAX_ROWS = 8_192;

/** An account, and the number of rows that the batch has to look through for it. */
export type Wish = { readonly userId: string; readonly rows: number };

/**
 * Chooses whose commands wait for the lane's next batch. The first account always has its turn: it is
 * the one that has waited longest, because commands that wait go before those that came later. Of the
 * others, those with the fewest rows have theirs.
 *
 * @param wishes in the order of the accounts' first commands
 */
export function whoWaits(wishes: readonly Wish[], maxRows = TURN_MAX_ROWS): ReadonlySet<string> {
  const [first, ...others] = wishes.filter(({ rows }) => rows > 0);
  const waiting = new Set<string>();
  let room = maxRows - (first?.rows ?? 0);
  for (const { userId, rows } of others.toSorted((a, b) => a.rows - b.rows)) {
    room -= rows;
    if (room < 0) waiting.add(userId);
  }
  return waiting;
}
