import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  GetPriceListResponseSchema,
  QuoteRequest,
  QuoteResponseSchema,
} from "../../gen/points/v1/points_pb.ts";
import { accountNotFound, invalidField } from "../errors/api-error.ts";
import { listAt, priceBy, type PriceLists } from "../ledger/prices.ts";
import { isRejection } from "../ledger/rejection.ts";
import type { Micros } from "../ledger/time.ts";
import type { Orm } from "../store/driver/orm.ts";
import { readUsable } from "../store/reads/read.ts";
import { toCalculationMessage } from "./answers.ts";
import { toUsage } from "./commands.ts";
import { toStanding } from "./policy-messages.ts";
import type { Prices } from "./price-file.ts";
import { rejectionError } from "./rejection-error.ts";

/** What Quote goes by: the price lists, at an instant. */
type Quoting = { readonly lists: PriceLists; readonly now: Micros; readonly orm: Orm };

/** Handles Quote: the cost of a usage, and whether what the user has for the service covers it. */
export async function quote(
  { lists, now, orm }: Quoting,
  { usage, userId, member }: QuoteRequest,
): Promise<MessageInitShape<typeof QuoteResponseSchema>> {
  if (usage === undefined) throw invalidField("usage", "is required");
  const list = listAt(lists, now);
  const cost = priceBy(list, toUsage(usage));
  if (isRejection(cost)) throw rejectionError(cost);
  const { points } = cost;
  const { calculation = null } = cost.usage ?? {};
  const answer = {
    points,
    priceVersion: list.version,
    ...(calculation === null ? {} : { calculation: toCalculationMessage(calculation) }),
  };
  if (userId === "") return answer;

  const read = await readUsable(orm, userId, { service: usage.service, member });
  if (read === undefined) throw accountNotFound(userId);
  const { balance, usable } = read;
  const sufficient = usable >= points;
  const shortfall = sufficient ? 0n : points - usable;
  const limits = read.limits.map((limit) => {
    return { name: limit.name, points: limit.points, ...toStanding(limit) };
  });
  return { ...answer, balance, usable, sufficient, shortfall, limits };
}

/** Handles GetPriceList: the list in force, sorted by service name, and all lists as they are. */
export function getPriceList(
  { lists, messages }: Prices,
  now: Micros,
): MessageInitShape<typeof GetPriceListResponseSchema> {
  const { version: priceVersion } = listAt(lists, now);
  const { services } = messages.find(({ version }) => version === priceVersion)!;
  const names = Object.keys(services).toSorted();
  const prices = names.map((service) => ({ ...services[service]!, service }));
  return { priceVersion, prices, lists: [...messages] };
}

/** A charge goes by the database's clock; what is asked beforehand need not wait for it. */
export function serverTime(): Micros {
  return BigInt(Date.now()) * 1_000n;
}
