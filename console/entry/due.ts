import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import type { KnownEntry } from "./known-entry.ts";
import { compareTimes } from "../parts/times.ts";

/**
 * Whether points expired because of their time, or because somebody asked for it. Nothing says so
 * outright: what a person takes as expired is of lots that have time left.
 *
 * @returns "unknown" if nobody is named and none of its lots is read
 */
export function whyExpired(
  entry: Entry,
  others: KnownEntry["others"],
): "due" | "asked" | "unknown" {
  if (isNamed(entry)) return "asked";
  const lot = entry.allocations.map((part) => others.get(part.lot)).find((made) => made);
  if (lot === undefined) return "unknown";
  const { expireTime } = lot;
  const isOver = expireTime !== undefined && compareTimes(expireTime, entry.createTime) <= 0;
  return isOver ? "due" : "asked";
}

/** Whether a hold was given back because of its time: at that very instant, and nobody is named. */
export function isHoldDue({ entry, others, extended }: KnownEntry): boolean {
  if (isNamed(entry)) return false;
  const ends = [others.get(entry.refersTo)?.expireTime, extended];
  return ends.some((end) => end !== undefined && isSame(end, entry.createTime));
}

function isSame(end: Timestamp, time: Timestamp | undefined): boolean {
  return compareTimes(end, time) === 0;
}

function isNamed({ caller, requestId, actor, metadata }: Entry): boolean {
  return caller !== "" || requestId !== "" || actor !== "" || Object.keys(metadata).length > 0;
}
