import type { TestDatabase } from "./database.ts";

/** The salt of each account that tests make without a database. */
export const SALT = Uint8Array.from({ length: 16 }, (_, at) => at + 1);

/** The salts of the users of tables of test cases and of random commands. */
export const SALTS: ReadonlyMap<string, Uint8Array> = new Map([
  ["ada", SALT],
  ["bob", SALT.toReversed()],
]);

/**
 * A batch that somebody sends, in which nothing is a repeat:
 * `startBatch(NOW, { ...NO_REPEATS, found })`.
 */
export const NO_REPEATS = {
  repeats: new Map(),
  salts: SALTS,
  onTrial: new Set<string>(),
  visited: new Set(SALTS.keys()),
} as const;

/** The salt of a user's account in a database. */
export async function saltOf(
  { query }: Pick<TestDatabase, "query">,
  userId: string,
): Promise<Uint8Array> {
  const [row] = await query("select salt from points.account where user_id = $1", [userId]);
  return (row as { salt: Uint8Array }).salt;
}
