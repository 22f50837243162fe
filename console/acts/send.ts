import { createClient } from "@connectrpc/connect";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { transport } from "../app/transport.ts";
import { lotsOfBefore, wouldFollow } from "./followed.ts";
import { readLotStates } from "./lot-states.ts";
import type { Answer, Mutation } from "./mutation.ts";

const points = createClient(PointsService, transport);
const policies = createClient(PolicyService, transport);

export function send(mutation: Mutation): Promise<Answer> {
  switch (mutation.case) {
    case "refund":
      return points.refund(mutation.value);
    case "recharge":
      return points.recharge(mutation.value);
    case "revoke":
      return points.revoke(mutation.value);
    case "expire":
      return points.expire(mutation.value);
    case "release":
      return points.release(mutation.value);
    case "putPolicy":
      return policies.putPolicy(mutation.value);
    case "deletePolicy":
      return policies.deletePolicy(mutation.value);
  }
}

/**
 * What would become of the account if it were sent now. Nothing is done.
 *
 * @param about the entry that is refunded, if that is asked for
 */
export async function preview(
  { case: name, value }: Mutation,
  about: Entry | undefined,
): Promise<Answer> {
  const trial = { case: name, value: { ...value, validateOnly: true } } as Mutation;
  const answer = await send(trial);
  return { ...answer, followed: await followedOf(answer, about) };
}

async function followedOf({ entry }: Answer, about: Entry | undefined) {
  if (entry === undefined) return [];
  try {
    const back = lotsOfBefore(entry).map(({ lot }) => lot);
    const lots = await readLotStates(entry.userId, back);
    return wouldFollow(entry, about?.refersTo, lots);
  } catch {
    // The preview itself is there, and says that this is not known.
    return undefined;
  }
}
