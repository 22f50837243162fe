import type { ServiceImpl } from "@connectrpc/connect";
import {
  type LedgerService,
  type SearchEntriesRequest,
  SearchEntriesRequestSchema,
} from "../../gen/points/v1/ledger_pb.ts";
import { callerKey } from "../auth/caller.ts";
import { prefixFor } from "../auth/rules.ts";
import { invalidField, keyNotProjected, notProjected } from "../errors/api-error.ts";
import { requireSince } from "../store/reads/lagging.ts";
import { readPageKey } from "../store/reads/page-key.ts";
import { placeOfEntry, readTerms, type Term } from "../store/reads/search.ts";
import { toEntryMessage } from "./answers.ts";
import { TERM_CURSOR, withAsOf } from "./page-cursors.ts";
import { fitting, pageSizeOf } from "./page-size.ts";
import { keyOnce, pageTokens } from "./page-token.ts";
import type { LedgerBackend } from "./ledger-backend.ts";
import { instantOf, toTimestamp } from "./timestamps.ts";

type Handlers = Pick<ServiceImpl<typeof LedgerService>, "searchEntries">;

/** The handler of SearchEntries, which goes through the entries by a keyset cursor. */
export function searchEntries({ orm, laggingLists, answerMaxBytes }: LedgerBackend): Handlers {
  const pages = pageTokens(
    SearchEntriesRequestSchema,
    withAsOf(TERM_CURSOR),
    keyOnce(() => readPageKey(orm)),
  );
  return {
    async searchEntries(request, { values }) {
      const term = termOf(request);
      const place = await pages.read(request);
      const query = {
        term,
        userIdPrefix: prefixFor(values.get(callerKey), request.userIdPrefix),
        startTime: instantOf(request.startTime, "start_time"),
        endTime: instantOf(request.endTime, "end_time"),
        before: place?.key,
        limit: pageSizeOf(request),
      };
      const { page, asOf } = await laggingLists.read(async (reading) => {
        requireSince(reading, place?.asOf ?? 0n);
        return { page: await readTerms(reading.run, query), asOf: reading.asOf };
      });
      const { searchKeys, caughtUpTo, found } = page;
      if (searchKeys === null) throw notProjected("projection");
      if (term.field === "metadata" && !searchKeys.includes(term.key)) {
        throw keyNotProjected(term.key);
      }
      const entries = fitting(
        found.map(({ entry }) => entry),
        answerMaxBytes,
      );
      const next = entries.length < found.length ? placeOfEntry(entries.at(-1)!) : page.next;
      return {
        entries: entries.map((entry, index) => toEntryMessage(entry, found[index]!.salt)),
        nextPageToken: next === undefined ? "" : await pages.write(request, { key: next, asOf }),
        ...(caughtUpTo !== null && { caughtUpTo: toTimestamp(caughtUpTo) }),
      };
    },
  };
}

/** @throws FIELD_INVALID */
function termOf({ by }: SearchEntriesRequest): Term {
  switch (by.case) {
    case "requestId":
      return { field: "request_id", key: "", value: by.value };
    case "actor":
      return { field: "actor", key: "", value: by.value };
    case "metadata":
      return { field: "metadata", key: by.value.key, value: by.value.value };
    case undefined:
      throw invalidField("by", "is required");
  }
}
