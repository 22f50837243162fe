import type { Mutant } from "./mutant.ts";
import { AUTH_MUTANTS } from "./planted/auth.ts";
import { CLI_MUTANTS } from "./planted/cli.ts";
import { CLIENT_MUTANTS } from "./planted/client.ts";
import { COMMIT_MUTANTS } from "./planted/commit.ts";
import { CONFIG_MUTANTS } from "./planted/config.ts";
import { ERRORS_MUTANTS } from "./planted/errors.ts";
import { FEED_MUTANTS } from "./planted/feed.ts";
import { LEDGER_MUTANTS } from "./planted/ledger.ts";
import { OVERVIEW_MUTANTS } from "./planted/overview.ts";
import { PROJECTION_MUTANTS } from "./planted/projection.ts";
import { RELAY_MUTANTS } from "./planted/relay.ts";
import { RPC_MUTANTS } from "./planted/rpc.ts";
import { SERVER_MUTANTS } from "./planted/server.ts";
import { STORE_MUTANTS } from "./planted/store.ts";
import { TELEMETRY_MUTANTS } from "./planted/telemetry.ts";
import { TRANSFER_MUTANTS } from "./planted/transfer.ts";
import { TRANSPORT_MUTANTS } from "./planted/transport.ts";
import { VERIFY_MUTANTS } from "./planted/verify.ts";

/** The mutants, each with the check that catches it; one file for each room of src. */
export const MUTANTS: readonly Mutant[] = [
  ...AUTH_MUTANTS,
  ...CLI_MUTANTS,
  ...CLIENT_MUTANTS,
  ...COMMIT_MUTANTS,
  ...CONFIG_MUTANTS,
  ...ERRORS_MUTANTS,
  ...FEED_MUTANTS,
  ...LEDGER_MUTANTS,
  ...OVERVIEW_MUTANTS,
  ...PROJECTION_MUTANTS,
  ...RELAY_MUTANTS,
  ...RPC_MUTANTS,
  ...SERVER_MUTANTS,
  ...STORE_MUTANTS,
  ...TELEMETRY_MUTANTS,
  ...TRANSFER_MUTANTS,
  ...TRANSPORT_MUTANTS,
  ...VERIFY_MUTANTS,
];
