import { openOrm } from "../../src/store/driver/orm.ts";
import { verify } from "../../src/verify/verify.ts";

/**
 * Checks a whole database against what the ledger promises, as `points verify` does.
 *
 * @returns how many accounts and entries it found in order
 * @throws an Error that names each account that is not in order, and what is wrong
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
