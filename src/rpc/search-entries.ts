import type { ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import type { LedgerBackend } from "./stream-entries.ts";

type Handlers = Pick<ServiceImpl<typeof LedgerService>, "searchEntries">;

/** The handler of SearchEntries. */
export function searchEntries(_backend: LedgerBackend): Handlers {
  return {
    searchEntries: (_request, { values: _ }) => {
      throw new Error("searchEntries: not built yet");
    },
  };
}
