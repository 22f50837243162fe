import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { StreamEntriesResponseSchema } from "../../gen/points/v1/ledger_pb.ts";
import { eventsOf, isBarrier } from "../../src/relay/cloud-event.ts";
import { entryOf } from "../support/scripted-ledger.ts";

const ALL = { ledgerId: "0b5c", alerts: new Set<string>() };
const BIG = 2n ** 60n;

function messageOf(entries: ReturnType<typeof entryOf>[]) {
  const feeds = entries.map((_, index) => BIG + BigInt(index));
  return create(StreamEntriesResponseSchema, { entries, feeds, epoch: 65_537n, cursor: "c" });
}

test("an entry is an event, with its own content as protobuf's JSON", () => {
  const entry = entryOf("ada", 3);
  const [event] = eventsOf(messageOf([entry]), ALL);
  expect(event).toEqual({
    specversion: "1.0",
    id: Buffer.from(entry.hash).toString("hex"),
    source: "0b5c",
    type: "points.v1.entry.consume",
    subject: "ada",
    time: "2027-01-15T08:00:00.003Z",
    datacontenttype: "application/json",
    epoch: "65537",
    feed: "1152921504606846976",
    data: {
      userId: "ada",
      sequence: "3",
      kind: "ENTRY_KIND_CONSUME",
      points: "5",
      createTime: "2027-01-15T08:00:00.003Z",
      metadata: { for: "配音 🎧" },
      hash: Buffer.from(entry.hash).toString("base64"),
    },
  });
});

test("the id stays when an erasure renames the account, and differs for a number given again", () => {
  const idOf = (entry: ReturnType<typeof entryOf>) => eventsOf(messageOf([entry]), ALL)[0]!.id;
  const renamed = { ...entryOf("ada", 3), userId: "x7", requestId: "" };
  expect(idOf(renamed)).toBe(idOf(entryOf("ada", 3)));
  expect(idOf(entryOf("ada", 3, "after a failover"))).not.toBe(idOf(entryOf("ada", 3)));
});

test("only entries that name an alert pass, with their own feed numbers, and what must be known", () => {
  const low = Object.assign(entryOf("bob", 2), { alerts: ["high", "low"] });
  const other = Object.assign(entryOf("eve", 1), { alerts: ["high"] });
  const erase = Object.assign(entryOf("x7", 9), { kind: EntryKind.ERASE });
  const message = messageOf([entryOf("ada", 1), other, low, erase]);
  const alerts = new Set(["low", "lower"]);
  expect(eventsOf(message, { ...ALL, alerts })).toMatchObject([
    { subject: "bob", feed: String(BIG + 2n) },
    { subject: "x7", type: "points.v1.entry.erase" },
  ]);
  const epochChange = {
    endedEpoch: 1n,
    epoch: 2n,
    beginTime: timestampFromMs(1_800_000_000_000),
    doubtedFromFeed: 700n,
  };
  const change = create(StreamEntriesResponseSchema, { cursor: "c", epoch: 2n, epochChange });
  expect(eventsOf(change, { ...ALL, alerts })).toEqual([
    {
      specversion: "1.0",
      id: "epoch-1-2-700-1800000000000",
      source: "0b5c",
      type: "points.v1.epoch_change",
      time: "2027-01-15T08:00:00Z",
      datacontenttype: "application/json",
      epoch: "2",
      data: {
        endedEpoch: "1",
        epoch: "2",
        beginTime: "2027-01-15T08:00:00Z",
        doubtedFromFeed: "700",
      },
    },
  ]);
});

test("a kind of a newer server has a type, too, and an erasure and an epoch change are barriers", () => {
  const kinds = [EntryKind.SET_POLICY, EntryKind.ERASE, 12 as EntryKind];
  const entries = kinds.map((kind, index) => Object.assign(entryOf("ada", index + 1), { kind }));
  const events = eventsOf(messageOf(entries), ALL);
  expect(events.map((event) => [event.type, isBarrier(event)])).toEqual([
    ["points.v1.entry.set_policy", false],
    ["points.v1.entry.erase", true],
    ["points.v1.entry.kind_12", false],
  ]);
});
