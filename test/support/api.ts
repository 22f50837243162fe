import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";

/** The RPCs of all services in one client. */
export type Api = Client<typeof PointsService> &
  Client<typeof PolicyService> &
  Client<typeof LedgerService>;

export function apiOf(transport: Transport): Api {
  return {
    ...createClient(PointsService, transport),
    ...createClient(PolicyService, transport),
    ...createClient(LedgerService, transport),
  };
}

/** The methods of all services. */
export const METHODS = {
  ...PointsService.method,
  ...PolicyService.method,
  ...LedgerService.method,
};
