import { createClient } from "@connectrpc/connect";
import type { Lot } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { transport } from "../app/transport.ts";

const points = createClient(PointsService, transport);

const PAGE_SIZE = 1_000;

/** A lot as it is now. Undefined: it has nothing left, and nothing of it is claimed. */
export async function lotNumbered(
  userId: string,
  number: bigint,
  signal: AbortSignal,
): Promise<Lot | undefined> {
  for (let pageToken = ""; ;) {
    const page = await points.listLots({ userId, pageSize: PAGE_SIZE, pageToken }, { signal });
    const found = page.lots.find((lot) => lot.number === number);
    if (found !== undefined || page.nextPageToken === "") return found;
    pageToken = page.nextPageToken;
  }
}
