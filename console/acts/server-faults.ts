import type { Refusal } from "../../src/client/refusal.ts";
import type { Field, Faults } from "./values.ts";

/** The fields that a server says are wrong, at the inputs that they were typed into. */
export function serverFaults(refusal: Refusal | undefined): Faults {
  const faults: Faults = {};
  for (const { field: path, description } of refusal?.violations ?? []) {
    const field = fieldOf(path);
    if (field !== undefined) faults[field] ??= { word: "server", text: description };
  }
  return faults;
}

/** By the last name of a path, such as policy.allowance.start_time or metadata["reason"]. */
const FIELDS: Readonly<Record<string, Field>> = {
  actor: "actor",
  reason: "reason",
  ticket: "ticket",
  points: "points",
  lot_points: "points",
  below: "points",
  reissue_ttl: "days",
  ttl: "days",
  expire_time: "expireTime",
  priority: "priority",
  category: "category",
  services: "services",
  name: "name",
  count: "count",
  start_time: "startTime",
  end_time: "endTime",
  time_zone: "timeZone",
  periods: "periods",
  member: "member",
  service: "service",
};

function fieldOf(path: string): Field | undefined {
  const name =
    /^metadata\["(.*)"\]$/.exec(path)?.[1] ?? path.replace(/\[.*$/, "").split(".").at(-1);
  return name !== undefined && Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
}
