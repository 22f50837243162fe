import type { ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import type { LedgerBackend } from "./stream-entries.ts";

type Handlers = Pick<ServiceImpl<typeof LedgerService>, "getOverview">;

/** The handler of GetOverview. */
export function overview(_backend: LedgerBackend): Handlers {
  return {
    getOverview: (_request, { values: _ }) => {
      throw new Error("getOverview: not built yet");
    },
  };
}
