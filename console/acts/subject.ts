import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import type { Hold, Lot } from "../../gen/points/v1/account_pb.ts";
import { type GetEntryResponse, PointsService } from "../../gen/points/v1/points_pb.ts";
import { type PolicyStatus, PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { transport } from "../app/transport.ts";
import { type Act, ACTS } from "../parts/acts.ts";

/** What an act is about, as it was when its form was opened. Empty: the account alone. */
export type Subject = {
  /** The entry to refund, or that made the lot or the hold. */
  readonly about?: GetEntryResponse;
  /** Undefined: the lot has nothing left. */
  readonly lot?: Lot | undefined;
  readonly hold?: Hold | undefined;
  readonly policy?: PolicyStatus;
};

const points = createClient(PointsService, transport);
const policies = createClient(PolicyService, transport);

const PAGE_SIZE = 1_000;

/** @param of as in the page's address */
export async function readSubject(user: string, act: Act, of: string): Promise<Subject> {
  const kind = of === "" ? undefined : ACTS[act].of;
  if (kind === undefined) return {};
  if (kind === "policy") return { policy: await policyNamed(user, of) };
  const sequence = /^[1-9]\d{0,18}$/.test(of) ? BigInt(of) : 0n;
  const about = await points.getEntry({ userId: user, by: { case: "sequence", value: sequence } });
  if (kind === "lot") return { about, lot: await lotNumbered(user, sequence) };
  if (kind === "hold") return { about, hold: await holdNumbered(user, sequence) };
  return { about };
}

async function lotNumbered(userId: string, number: bigint): Promise<Lot | undefined> {
  for (let pageToken = ""; ;) {
    const page = await points.listLots({ userId, pageSize: PAGE_SIZE, pageToken });
    const found = page.lots.find((lot) => lot.number === number);
    if (found !== undefined || page.nextPageToken === "") return found;
    pageToken = page.nextPageToken;
  }
}

async function holdNumbered(userId: string, number: bigint): Promise<Hold | undefined> {
  for (let pageToken = ""; ;) {
    const page = await points.listHolds({ userId, pageSize: PAGE_SIZE, pageToken });
    const found = page.holds.find((hold) => hold.number === number);
    const isPast = page.holds.some((hold) => hold.number < number);
    if (found !== undefined || isPast || page.nextPageToken === "") return found;
    pageToken = page.nextPageToken;
  }
}

/** @throws POLICY_NOT_FOUND, as the server would */
async function policyNamed(userId: string, name: string): Promise<PolicyStatus> {
  const { policies: all } = await policies.listPolicies({ userId });
  const found = all.find(({ policy }) => policy?.name === name);
  if (found !== undefined) return found;
  const metadata = { name, outcome: "NOT_APPLIED" };
  const info = { domain: "points.v1", reason: "POLICY_NOT_FOUND", metadata };
  const details = [{ desc: ErrorInfoSchema, value: info }];
  throw new ConnectError("the account has no policy of this name", Code.NotFound, {}, details);
}
