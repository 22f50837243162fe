import type { ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import type { LedgerBackend } from "./stream-entries.ts";

type Handlers = Pick<ServiceImpl<typeof LedgerService>, "listAccounts" | "listExpiring">;

/** Handlers of the lists of accounts. */
export function accountLists(_backend: LedgerBackend): Handlers {
  return {
    listAccounts: (_request, { values: _ }) => {
      throw new Error("listAccounts: not built yet");
    },
    listExpiring: (_request, { values: _ }) => {
      throw new Error("listExpiring: not built yet");
    },
  };
}
