import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import type { ListEntriesRequestSchema, PointsService } from "../../gen/points/v1/points_pb.ts";

const PAGE = 1_000;

/** All entries that a request finds, newest first, a page at a time. */
export async function* entryPages(
  points: Client<typeof PointsService>,
  request: MessageInitShape<typeof ListEntriesRequestSchema>,
  signal: AbortSignal,
): AsyncGenerator<readonly Entry[], void> {
  let pageToken = "";
  do {
    const asked = { ...request, pageSize: PAGE, pageToken };
    const page = await points.listEntries(asked, { signal });
    yield page.entries;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}
