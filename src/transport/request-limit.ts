import type { DescMethod } from "@bufbuild/protobuf";
import { type ConnectRouter, createServiceImplSpec, type MethodImpl } from "@connectrpc/connect";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import type { Config } from "../config/environment.ts";

/** How large a message that a method is sent may be, in bytes, after decompression. */
export type RequestLimit = (method: DescMethod) => number;

/** What holds many operations may be large; what is one would only cost much. */
export function requestLimit({ messageMaxBytes, messageSingleMaxBytes }: Config): RequestLimit {
  const singleMaxBytes = Math.min(messageSingleMaxBytes, messageMaxBytes);
  return (method) => (BATCHES.has(method) ? messageMaxBytes : singleMaxBytes);
}

const BATCHES = new Set<DescMethod>([PointsService.method.applyBatch, PointsService.method.apply]);

/** A router that tells Connect of a limit for each method: by itself it has one for all of them. */
export function withRequestLimit(router: ConnectRouter, maxBytesOf: RequestLimit): ConnectRouter {
  const limited: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, options) {
      const { methods } = createServiceImplSpec(service, implementation);
      for (const { method, impl } of Object.values(methods)) limited.rpc(method, impl, options);
      return limited;
    },
    rpc(method, impl, options) {
      router.rpc(method, impl as MethodImpl<typeof method>, {
        ...options,
        readMaxBytes: maxBytesOf(method),
      });
      return limited;
    },
  };
  return limited;
}
