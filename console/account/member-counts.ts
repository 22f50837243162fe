import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import type { LimitStatus } from "../../gen/points/v1/policy_pb.ts";
import type { Price, UsageSchema } from "../../gen/points/v1/prices_pb.ts";

// Each member's count is asked for by itself.
const MEMBERS_MAX = 8;

/** Who has spent lately, whoever was last first. */
export function membersOf(entries: readonly Entry[]): string[] {
  const members = new Set(entries.map(({ member }) => member));
  members.delete("");
  return [...members].slice(0, MEMBERS_MAX);
}

/**
 * The least use of a service that a limit counts, to ask what is left for it.
 *
 * @param service that the limit is for; empty: any
 * @returns undefined if no such service has a price
 */
export function leastUse(
  prices: readonly Price[],
  service: string,
): MessageInitShape<typeof UsageSchema> | undefined {
  const price = prices.find((one) => service === "" || one.service === service);
  if (price === undefined) return undefined;
  const meters = meteredOf(price);
  const counted = meters.filter((meter) => meter !== "quantity" && meter !== "duration");
  return {
    service: price.service,
    meters: Object.fromEntries(counted.map((meter) => [meter, 0n])),
    ...(meters.includes("quantity") && { amount: { case: "quantity", value: 1n } }),
    ...(meters.includes("duration") && { amount: { case: "duration", value: A_SECOND } }),
  };
}

const A_SECOND = { seconds: 1n, nanos: 0 };

/** What a use must say for its price. */
function meteredOf({ charge }: Price): string[] {
  switch (charge.case) {
    case "quantity":
    case "duration":
      return [charge.case];
    case "metered":
      return charge.value.meters.map((meter) => meter.of);
    default:
      return [];
  }
}

/** Where a limit stands for a member; undefined: it does not count this. */
export function statusOf(limits: readonly LimitStatus[], name: string): LimitStatus | undefined {
  return limits.find((limit) => limit.name === name);
}
