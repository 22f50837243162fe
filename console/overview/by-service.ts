import type { Sum } from "../../gen/points/v1/ledger_pb.ts";
import { moveOf } from "../parts/moves.ts";

/** What was consumed for a service. */
export type ServiceUse = {
  /** Empty: points were asked for, rather than usage of a service. */
  readonly service: string;
  readonly consumed: bigint;
  readonly refunded: bigint;
  /** How many charges there were. */
  readonly entries: bigint;
};

/** The services that points were consumed for, most points first. */
export function byService(
  sums: readonly Pick<Sum, "service" | "kind" | "points" | "entries">[],
): ServiceUse[] {
  const uses = new Map<string, ServiceUse>();
  for (const { service, kind, points, entries } of sums) {
    const use = uses.get(service) ?? { service, consumed: 0n, refunded: 0n, entries: 0n };
    if (moveOf(kind) === "consumed") {
      const consumed = use.consumed + points;
      uses.set(service, { ...use, consumed, entries: use.entries + entries });
    } else if (moveOf(kind) === "refunded") {
      uses.set(service, { ...use, refunded: use.refunded + points });
    }
  }
  return [...uses.values()].toSorted((a, b) => {
    if (a.consumed !== b.consumed) return a.consumed > b.consumed ? -1 : 1;
    return a.service < b.service ? -1 : 1;
  });
}
