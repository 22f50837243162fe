import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { PolicyService } from "../gen/points/v1/policies_pb.ts";
import { CalendarUnit } from "../gen/points/v1/policy_pb.ts";
import { nameOf } from "./load/requests.ts";
import type { Row } from "./rows.ts";
import type { Server } from "./servers.ts";

/** Puts a limit for each member on the account of a row, so high that no load reaches it. */
export async function putTeamLimit({ spread }: Row, { url }: Server): Promise<void> {
  const client = createClient(PolicyService, createGrpcTransport({ baseUrl: url }));
  const span = { case: "calendar", value: CalendarUnit.DAY } as const;
  const value = { points: 1_000_000_000_000n, window: { span }, eachMember: true };
  const policy = { name: "each-member", rule: { case: "limit", value } } as const;
  await client.putPolicy({ userId: nameOf(spread, 1), policy });
}
