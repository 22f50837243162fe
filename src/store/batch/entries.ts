import { sql } from "kysely";
import type { Entry, HoldAfter } from "../../ledger/entry.ts";
import { NO_SERVICES, sumPoints } from "../../ledger/lot.ts";
import { type RowKey, rowsOfKeys } from "../driver/columns.ts";
import { columnsOf, EntryEntity, type EntryRow } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { KIND_NUMBERS, kindOf } from "../../ledger/entry-kinds.ts";
import { toFigures } from "./figures.ts";
import { unpackAllocations } from "./packed-allocations.ts";
import { fromPolicyText } from "./policy-text.ts";
import { fromPricing } from "./pricing.ts";

/** What `toEntry` reads. */
const ENTRY_COLUMNS = columnsOf(EntryEntity, "entry");

/** Loads the entries of these keys that exist, each once. */
export async function loadEntries(run: Run, named: readonly RowKey[]): Promise<readonly Entry[]> {
  const { rows } = await run(sql<EntryRow>`
    select ${ENTRY_COLUMNS} from ${rowsOfKeys(named, "sequence")} as named
    join entry using (user_id, sequence)`);
  return rows.map(toEntry);
}

/** Converts a row to an entry. */
export function toEntry(row: EntryRow): Entry {
  const { request_id: id, fingerprint, personal_digest: personalDigest } = row;
  return {
    userId: row.user_id,
    sequence: BigInt(row.sequence),
    kind: kindOf(row.kind),
    points: BigInt(row.points),
    allocations: unpackAllocations(row.allocations),
    returned: BigInt(row.returned ?? 0),
    owed: BigInt(row.owed ?? 0),
    uncovered: BigInt(row.uncovered ?? 0),
    repaid: BigInt(row.repaid ?? 0),
    fromBalance: BigInt(row.from_balance ?? 0),
    keptOpen: row.kept_open ?? false,
    fromClaim: row.from_claim ?? false,
    refersTo: toBigintOrNull(row.refers_to),
    time: fromTimestamptz(row.create_time),
    expireTime: row.expire_time === null ? null : fromTimestamptz(row.expire_time),
    priority: row.priority ?? 0,
    category: row.category ?? "",
    services: row.services ?? NO_SERVICES,
    usage: toUsage(row),
    holdAfter: toHoldAfter(row),
    policy: row.policy === null ? null : fromPolicyText(row.policy),
    cause: row.cause ?? "",
    member: row.member ?? "",
    alerts: row.alerts ?? NO_ALERTS,
    request: fingerprint === null ? undefined : { id: id ?? "", fingerprint },
    metadata: new Map(Object.entries(row.metadata ?? {})),
    after: toFigures(row),
    hash: row.hash,
    caller: row.caller ?? "",
    actor: row.actor ?? "",
    erasedHash: row.erased_hash,
    ...(personalDigest !== null && { personalDigest }),
  };
}

const NO_ALERTS: readonly string[] = [];

function toUsage({ service, quantity, duration_nanos, price_version, pricing }: EntryRow) {
  if (service === null || price_version === null) return null;
  return {
    service,
    quantity: toBigintOrNull(quantity),
    durationNanos: toBigintOrNull(duration_nanos),
    priceVersion: price_version,
    ...fromPricing(pricing),
  };
}

/** The points of the hold are those that were spent, and those that it still has. */
function toHoldAfter(row: EntryRow): HoldAfter | null {
  if (row.kind !== KIND_NUMBERS.extend) return null;
  const settled = BigInt(row.hold_settled ?? 0);
  const allocations = unpackAllocations(row.hold_allocations);
  const points = settled + sumPoints(allocations);
  return { points, settled, service: row.hold_service, allocations };
}

function toBigintOrNull(text: string | null): bigint | null {
  return text === null ? null : BigInt(text);
}
