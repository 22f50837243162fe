import { Migration0001Ledger } from "./0001_ledger.ts";
import { Migration0002Caller } from "./0002_caller.ts";

/** All migrations, oldest first. They only go forward. */
export const MIGRATIONS = [
  { name: "0001_ledger", class: Migration0001Ledger },
  { name: "0002_caller", class: Migration0002Caller },
];
