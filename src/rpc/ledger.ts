import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { GetLedgerResponseSchema, LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { type Caller, callerKey } from "../auth/caller.ts";
import { SOFTWARE_VERSION } from "../config/version.ts";
import { type LedgerRead, readLedger } from "../store/reads/ledger.ts";
import { accountLists } from "./account-lists.ts";
import type { LedgerBackend } from "./ledger-backend.ts";
import { overview } from "./overview.ts";
import { searchEntries } from "./search-entries.ts";
import { streamEntries } from "./stream-entries.ts";
import { summarize } from "./summarize.ts";

/** The handlers of LedgerService. */
export function ledgerService(backend: LedgerBackend): ServiceImpl<typeof LedgerService> {
  return {
    async getLedger(_, { values }) {
      return toLedgerMessage(await readLedger(backend.orm), values.get(callerKey));
    },
    streamEntries: (request, context) => streamEntries(backend, request, context),
    ...accountLists(backend),
    ...searchEntries(backend),
    ...summarize(backend),
    ...overview(backend),
  };
}

const LAST_SLOT = 1_023;

function toLedgerMessage(
  ledger: LedgerRead,
  { name, scopes, userIdPrefix, maxPoints = 0n }: Caller,
): MessageInitShape<typeof GetLedgerResponseSchema> {
  return {
    ...ledger,
    shards: [{ number: 0, firstSlot: 0, lastSlot: LAST_SLOT }],
    softwareVersion: SOFTWARE_VERSION,
    caller: { name, scopes: [...scopes], userIdPrefix, maxPoints },
  };
}
