import { openOrm } from "../../src/store/driver/orm.ts";
import { verify } from "../../src/verify/verify.ts";

/**
 * Checks a whole database against the ledger's invariants, as `points verify` does.
 *
 * @returns the number of sound accounts and of their entries
 * @throws an Error that names each unsound account, and what is wrong with it
 */
export async function auditDatabase(url: string): Promise<{ accounts: number; entries: number }> {
  const orm = await openOrm(url, 2);
  try {
    const { accounts, entries, wrong, schema } = await verify(orm);
    const ofAccounts = wrong.map(({ userId, sequence, what }) => {
      return sequence === undefined
        ? `${userId}: ${what}`
        : `${userId}: entry ${sequence}: ${what}`;
    });
    const lines = [...schema, ...ofAccounts];
    if (lines.length > 0) throw new Error(lines.slice(0, 50).join("\n"));
    return { accounts, entries };
  } finally {
    await orm.close();
  }
}
