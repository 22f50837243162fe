import { createClient } from "@connectrpc/connect";
import type { Hold, Lot } from "../../gen/points/v1/account_pb.ts";
import { type GetEntryResponse, PointsService } from "../../gen/points/v1/points_pb.ts";
import { type PolicyStatus, PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { transport } from "../app/transport.ts";
import { lotNumbered } from "../parts/lot-numbered.ts";
import type { ActOn } from "./act-on.ts";

/** What an act is about, as it was when its form was opened. Empty: the account alone. */
export type Subject = {
  /** The entry to refund, or that made the lot or the hold. */
  readonly about?: GetEntryResponse;
  /** Undefined: the lot has nothing left. */
  readonly lot?: Lot | undefined;
  /** Undefined: there is no such open hold. */
  readonly hold?: Hold | undefined;
  /** Undefined: the account has no policy of that name. */
  readonly policy?: PolicyStatus | undefined;
};

const points = createClient(PointsService, transport);
const policies = createClient(PolicyService, transport);

const PAGE_SIZE = 1_000;

export async function readSubject(user: string, on: ActOn, signal: AbortSignal): Promise<Subject> {
  if (on === undefined) return {};
  if (on.kind === "policy") return { policy: await policyNamed(user, on.name, signal) };
  const by = { case: "sequence", value: on.sequence } as const;
  const about = await points.getEntry({ userId: user, by }, { signal });
  if (on.kind === "lot") return { about, lot: await lotNumbered(user, on.sequence, signal) };
  if (on.kind === "hold") return { about, hold: await holdNumbered(user, on.sequence, signal) };
  return { about };
}

async function holdNumbered(userId: string, number: bigint, signal: AbortSignal) {
  for (let pageToken = ""; ;) {
    const request = { userId, openOnly: true, pageSize: PAGE_SIZE, pageToken };
    const page = await points.listHolds(request, { signal });
    const found = page.holds.find((hold) => hold.number === number);
    const isPast = page.holds.some((hold) => hold.number < number);
    if (found !== undefined || isPast || page.nextPageToken === "") return found;
    pageToken = page.nextPageToken;
  }
}

async function policyNamed(userId: string, name: string, signal: AbortSignal) {
  const { policies: all } = await policies.listPolicies({ userId }, { signal });
  return all.find(({ policy }) => policy?.name === name);
}
