import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { transport } from "../app/transport.ts";

/** What decides over points that come back to a lot, by its number. */
export type LotStates = ReadonlyMap<
  bigint,
  { readonly claimed: bigint; readonly expireTime: Timestamp | undefined }
>;

const points = createClient(PointsService, transport);

/** An entry may be of thousands of lots, and each is a call. */
const LOTS_READ = 20;

/** Reads lots by the entries that made them: the first of them, if they are many. */
export async function readLotStates(userId: string, lots: readonly bigint[]): Promise<LotStates> {
  const read = lots.slice(0, LOTS_READ).map(async (lot) => {
    const by = { case: "sequence", value: lot } as const;
    const { claimed, entry } = await points.getEntry({ userId, by });
    return [lot, { claimed, expireTime: entry?.expireTime }] as const;
  });
  return new Map(await Promise.all(read));
}
