import { Migration0001Ledger } from "./0001_ledger.ts";
import { Migration0002RevokeAndExtend } from "./0002_revoke_and_extend.ts";

/** All migrations, oldest first. There are no down migrations. */
export const MIGRATIONS = [
  { name: "0001_ledger", class: Migration0001Ledger },
  { name: "0002_revoke_and_extend", class: Migration0002RevokeAndExtend },
];
