import type { ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import type { LedgerBackend } from "./stream-entries.ts";

type Handlers = Pick<ServiceImpl<typeof LedgerService>, "summarize">;

/** The handler of Summarize. */
export function summarize(_backend: LedgerBackend): Handlers {
  return {
    summarize: (_request, { values: _ }) => {
      throw new Error("summarize: not built yet");
    },
  };
}
