import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Entry,
  EntryKind,
  EntryKindSchema,
  EntrySchema,
} from "../../gen/points/v1/account_pb.ts";
import {
  type EpochChange,
  EpochChangeSchema,
  type StreamEntriesResponse,
} from "../../gen/points/v1/ledger_pb.ts";

/**
 * An event of CloudEvents 1.0, in its JSON format: one an entry, and one an epoch change.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 *
 * `epoch` and `feed` are extension attributes: whole numbers, as texts, since CloudEvents' own
 * integers have 32 bits. `feed` belongs to an entry alone.
 */
export type CloudEvent = {
  readonly specversion: "1.0";
  readonly id: string;
  /** The ledger's id. */
  readonly source: string;
  readonly type: string;
  /** The user; missing in what is about all users. */
  readonly subject?: string;
  readonly time?: string;
  readonly datacontenttype: "application/json";
  readonly epoch: string;
  readonly feed?: string;
  /** The message of the contract, as protobuf's JSON. */
  readonly data: JsonValue;
};

/**
 * The events of a message of the stream, in order.
 *
 * @param alerts only entries that name one of these; empty: all. A barrier passes in any case
 */
export function eventsOf(
  message: StreamEntriesResponse,
  { ledgerId, alerts }: { readonly ledgerId: string; readonly alerts: ReadonlySet<string> },
): CloudEvent[] {
  const { entries, feeds, epoch, epochChange } = message;
  const events = entries.flatMap((entry, index) => {
    const event = entryEvent(entry, { ledgerId, epoch, feed: feeds[index]! });
    const passes = alerts.size === 0 || entry.alerts.some((name) => alerts.has(name));
    return passes || isBarrier(event) ? [event] : [];
  });
  if (epochChange !== undefined) events.push(epochEvent(epochChange, ledgerId));
  return events;
}

/**
 * Whether an event says what to forget, which no consumer may miss, whatever it filters by. It must
 * come after all events before it, and before all after it, of whichever user.
 */
export function isBarrier({ type }: CloudEvent): boolean {
  return type === EPOCH_CHANGE || type === ERASE;
}

/** The name of a kind at the command line and in an event's type, such as "set_policy". */
export function kindName(kind: EntryKind): string {
  // A newer server may know more kinds.
  return EntryKindSchema.value[kind]?.localName.toLowerCase() ?? `kind_${kind}`;
}

const EPOCH_CHANGE = "points.v1.epoch_change";
const ENTRY = "points.v1.entry.";
const ERASE = ENTRY + kindName(EntryKind.ERASE);

/**
 * The id is the entry's hash. Of all that is in an entry it alone never changes and is never given
 * again: an erasure gives the account another user_id, and after a failover that lost entries
 * others get their numbers.
 */
function entryEvent(
  entry: Entry,
  { ledgerId, epoch, feed }: { ledgerId: string; epoch: bigint; feed: bigint },
): CloudEvent {
  const data = toJson(EntrySchema, entry);
  return {
    specversion: "1.0",
    id: Buffer.from(entry.hash).toString("hex"),
    source: ledgerId,
    type: ENTRY + kindName(entry.kind),
    subject: entry.userId,
    time: (data as { createTime: string }).createTime,
    datacontenttype: "application/json",
    epoch: String(epoch),
    feed: String(feed),
    data,
  };
}

function epochEvent(change: EpochChange, ledgerId: string): CloudEvent {
  const data = toJson(EpochChangeSchema, change);
  const { endedEpoch, epoch, doubtedFromFeed, beginTime } = change;
  // For the id, which as that of a Standard Webhook may not contain a full stop, as `time` does.
  const beginMs = beginTime === undefined ? 0 : timestampMs(beginTime);
  const time = (data as { beginTime?: string }).beginTime;
  return {
    specversion: "1.0",
    id: `epoch-${endedEpoch}-${epoch}-${doubtedFromFeed}-${Math.floor(beginMs)}`,
    source: ledgerId,
    type: EPOCH_CHANGE,
    ...(time === undefined ? {} : { time }),
    datacontenttype: "application/json",
    epoch: String(epoch),
    data,
  };
}
