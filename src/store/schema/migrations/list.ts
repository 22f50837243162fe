import { Migration0001Ledger } from "./0001_ledger.ts";
import { Migration0002RevokeAndExtend } from "./0002_revoke_and_extend.ts";
import { Migration0003Policies } from "./0003_policies.ts";
import { Migration0004Stream } from "./0004_stream.ts";
import { Migration0005Erasure } from "./0005_erasure.ts";
import { Migration0006Projection } from "./0006_projection.ts";

/** All migrations, oldest first. There are no down migrations. */
export const MIGRATIONS = [
  { name: "0001_ledger", class: Migration0001Ledger },
  { name: "0002_revoke_and_extend", class: Migration0002RevokeAndExtend },
  { name: "0003_policies", class: Migration0003Policies },
  { name: "0004_stream", class: Migration0004Stream },
  { name: "0005_erasure", class: Migration0005Erasure },
  { name: "0006_projection", class: Migration0006Projection },
];
