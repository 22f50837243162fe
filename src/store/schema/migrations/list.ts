import { Migration0001Ledger } from "./0001_ledger.ts";

/** All migrations, oldest first. There are no down migrations. */
export const MIGRATIONS = [{ name: "0001_ledger", class: Migration0001Ledger }];
