import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  GetPriceListResponseSchema,
  QuoteRequest,
  QuoteResponseSchema,
} from "../../gen/points/v1/points_pb.ts";
import type { PriceSchema } from "../../gen/points/v1/prices_pb.ts";
import { accountNotFound, invalidField } from "../errors/api-error.ts";
import { type Price, type PriceList, priceUsage } from "../ledger/prices.ts";
import { isRejection } from "../ledger/rejection.ts";
import type { Orm } from "../store/driver/orm.ts";
import { readUsable } from "../store/reads/read.ts";
import { toUsage } from "./commands.ts";
import { rejectionError } from "./rejection-error.ts";
import { toDuration } from "./timestamps.ts";

/** Handles Quote: the cost of a usage, and whether what the user has for the service covers it. */
export async function quote(
  list: PriceList,
  orm: Orm,
  { usage, userId }: QuoteRequest,
): Promise<MessageInitShape<typeof QuoteResponseSchema>> {
  if (usage === undefined) throw invalidField("usage", "is required");
  const cost = priceUsage(list, toUsage(usage));
  if (isRejection(cost)) throw rejectionError(cost);
  const { points } = cost;
  const answer = { points, priceVersion: list.version };
  if (userId === "") return answer;

  const read = await readUsable(orm, userId, usage.service);
  if (read === undefined) throw accountNotFound(userId);
  const { balance, usable } = read;
  const sufficient = usable >= points;
  return { ...answer, balance, usable, sufficient, shortfall: sufficient ? 0n : points - usable };
}

/** Handles GetPriceList: the price list, sorted by service name. */
export function getPriceList({
  version,
  services,
}: PriceList): MessageInitShape<typeof GetPriceListResponseSchema> {
  const names = [...services.keys()].toSorted();
  const prices = names.map((name) => toPriceMessage(name, services.get(name)!));
  return { priceVersion: version, prices };
}

function toPriceMessage(service: string, price: Price): MessageInitShape<typeof PriceSchema> {
  switch (price.kind) {
    case "free":
      return { service, charge: { case: "free", value: {} } };
    case "fixed":
      return { service, charge: { case: "fixed", value: { points: price.points } } };
    case "quantity": {
      const { points, minimum, maximum } = price;
      return { service, charge: { case: "quantity", value: { points, minimum, maximum } } };
    }
    case "duration": {
      const { points, minimum, maximum } = price;
      const unit = toDuration(price.unitNanos);
      return { service, charge: { case: "duration", value: { points, unit, minimum, maximum } } };
    }
  }
}
