import type { DescMethod } from "@bufbuild/protobuf";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import type { Config } from "../config/environment.ts";

/** The largest message that a method may be sent, in bytes after decompression. */
export type RequestLimit = (method: DescMethod) => number;

/** Batches may be large. A single operation has no use for size, and a large one costs much. */
export function requestLimit({ messageMaxBytes, messageSingleMaxBytes }: Config): RequestLimit {
  const singleMaxBytes = Math.min(messageSingleMaxBytes, messageMaxBytes);
  return (method) => (BATCHES.has(method) ? messageMaxBytes : singleMaxBytes);
}

const BATCHES = new Set<DescMethod>([PointsService.method.applyBatch, PointsService.method.apply]);
