import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";

/** The RPCs of both services in one client. */
export type Api = Client<typeof PointsService> & Client<typeof PolicyService>;

export function apiOf(transport: Transport): Api {
  return { ...createClient(PointsService, transport), ...createClient(PolicyService, transport) };
}

/** The methods of both services. */
export const METHODS = { ...PointsService.method, ...PolicyService.method };
