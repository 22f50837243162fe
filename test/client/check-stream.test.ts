import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Entry, EntryKind, EntrySchema } from "../../gen/points/v1/account_pb.ts";
import {
  EpochChangeSchema,
  type StreamEntriesResponse,
  StreamEntriesResponseSchema,
} from "../../gen/points/v1/ledger_pb.ts";
import { checkStream, type Heads, newHeads, type Verdict } from "../../src/client/client.ts";
import { chainHash } from "../torture/check/chain.ts";

/** An entry and its place in the stream. */
type Placed = { readonly entry: Entry; readonly epoch: bigint; readonly feed: bigint };

const NEXT = { kind: "next" };
const FIRST = { kind: "begins", checked: true };
const REPEAT = { kind: "repeat", checked: true };

describe("a reader of a stream", () => {
  test("finds nothing wrong with entries in order, those that come again, or an empty message", async () => {
    const ledger = ledgerOf(["ann", "ann", "ben", "ann", "ben"]);
    const found = await check([message(ledger), message([]), message(ledger.slice(2))]);
    const verdicts = [FIRST, NEXT, FIRST, NEXT, NEXT, REPEAT, REPEAT, REPEAT];
    expect(found).toEqual({ verdicts, lost: [] });
  });

  const ledger = ledgerOf(["ann", "ann", "ann", "ben", "ann"]);
  const [one, two, three, ben, four] = ledger as [Placed, Placed, Placed, Placed, Placed];
  const changed = (of: Placed, to: object) => ({ ...of, entry: { ...of.entry, ...to } });
  const rehashed = (of: Placed, before: Placed, to: object) => {
    const { entry } = changed(of, to);
    return { ...of, entry: { ...entry, hash: chainHash(before.entry.hash, entry) } };
  };
  test.each([
    {
      what: "an entry is left out",
      entries: [one, two, ben, four],
      verdicts: [FIRST, NEXT, FIRST, { kind: "gap", from: 3n, to: 3n }],
    },
    {
      what: "the first entry is left out",
      entries: [two, three],
      verdicts: [{ kind: "begins", checked: false }, NEXT],
    },
    {
      what: "two entries are swapped",
      entries: [one, three, two, four],
      verdicts: [
        FIRST,
        { kind: "gap", from: 2n, to: 2n },
        { kind: "repeat", checked: false },
        NEXT,
      ],
    },
    {
      what: "the points of an entry were changed",
      entries: [one, changed(two, { points: 7n }), three],
      verdicts: [FIRST, { kind: "badHash" }, NEXT],
    },
    {
      what: "the first entry was changed",
      entries: [changed(one, { points: 7n }), two],
      verdicts: [{ kind: "badHash" }, NEXT],
    },
    {
      what: "an entry was changed and its hash made to fit, at the next one",
      entries: [one, rehashed(two, one, { points: 7n }), three],
      verdicts: [FIRST, NEXT, { kind: "badHash" }],
    },
    {
      what: "an entry comes again with other content under its hash",
      entries: [one, two, three, changed(two, { points: 7n })],
      verdicts: [FIRST, NEXT, NEXT, { kind: "badHash" }],
    },
    {
      what: "an entry comes twice, with other content and hash",
      entries: [one, two, three, rehashed(two, one, { points: 7n })],
      verdicts: [FIRST, NEXT, NEXT, { kind: "fork", kept: { sequence: 3n } }],
    },
    {
      what: "the last entry comes twice, with other content and hash",
      entries: [one, two, rehashed(two, one, { points: 7n })],
      verdicts: [FIRST, NEXT, { kind: "fork", kept: { sequence: 2n } }],
    },
  ])("finds that $what", async ({ entries, verdicts }) => {
    // Whether it comes in one message or in many.
    const inOne = await check([message(entries)]);
    expect(inOne.verdicts).toMatchObject(verdicts);
    expect(await check(entries.map((entry) => message([entry])))).toEqual(inOne);
  });

  test("finds what is wrong when it goes on with the heads that it kept", async () => {
    const heads = newHeads();
    await check([message([one, two])], heads);
    const kept = [...heads.last.values()].map((head) => ({ ...head, before: undefined }));
    const goneOn = newHeads(kept);
    expect((await check([message([two, three])], goneOn)).verdicts).toEqual([
      { kind: "repeat", checked: false },
      NEXT,
    ]);
    const other = rehashed(three, two, { points: 7n });
    const [fork] = (await check([message([other])], goneOn)).verdicts;
    expect(fork).toMatchObject({ kind: "fork", kept: { sequence: 3n } });
  });

  test("finds each fault of random journals", async () => {
    let times = 0;
    const faults = ["left out", "changed", "doubled", "swapped"] as const;
    await fc.assert(
      fc.asyncProperty(JOURNAL, fc.nat(), fc.constantFrom(...faults), async (users, at, fault) => {
        const whole = ledgerOf(users);
        const bad = at % whole.length;
        const { entry } = whole[bad]!;
        const later = whole.findIndex(
          (other, index) => index > bad && other.entry.userId === entry.userId,
        );
        if (later < 0) return;
        times += 1;
        const said = {
          "left out": () => whole.toSpliced(bad, 1),
          changed: () => whole.with(bad, changed(whole[bad]!, { points: 999n })),
          doubled: () => {
            const hash = new Uint8Array(32).fill(7);
            return whole.toSpliced(later + 1, 0, changed(whole[bad]!, { points: 999n, hash }));
          },
          swapped: () => whole.with(bad, whole[later]!).with(later, whole[bad]!),
        }[fault]();
        const { verdicts } = await check(inMessages(said, 3));
        const isWrong = (verdict: Verdict) =>
          ["gap", "fork", "badHash"].includes(verdict.kind) ||
          (verdict.kind === "begins" && !verdict.checked);
        expect(verdicts.some(isWrong)).toBe(true);
        expect(verdicts.findIndex(isWrong)).toBeGreaterThanOrEqual(bad);
      }),
      { numRuns: 200 },
    );
    expect(times).toBeGreaterThan(20);
  });
});

describe("after a promotion or a restore", () => {
  const ledger = ledgerOf(["ann", "ben", "ann", "ann", "ben"]);
  const [, , , annThree, benTwo] = ledger as [Placed, Placed, Placed, Placed, Placed];

  test("the entries that the ledger no longer has are named, and all else is right", async () => {
    const kept = ledger.slice(0, 3);
    const now = grown(kept, ["ann", "ben", "ann"], 2n);
    const messages = [
      message(ledger),
      change(1n, 2n, 2n),
      message(kept.slice(1)),
      message(now.slice(kept.length)),
      caughtUp(2n),
    ];
    const { verdicts, lost } = await check(messages);
    expect(verdicts).toEqual([FIRST, FIRST, NEXT, NEXT, NEXT, FIRST, NEXT, NEXT, NEXT, NEXT]);
    expect(lost.map(({ userId, sequence }) => [userId, sequence])).toEqual([
      ["ann", 3n],
      ["ben", 2n],
    ]);
    expect(lost.map(({ hash }) => hash)).toEqual([annThree.entry.hash, benTwo.entry.hash]);
  });

  test("nothing is lost if nothing is in doubt, or if all of it comes again", async () => {
    const now = grown(ledger, ["ann"], 2n).slice(-1);
    const without = await check([message(ledger), change(1n, 2n, 0n), message(now), caughtUp(2n)]);
    expect(without).toMatchObject({ lost: [] });
    expect(without.verdicts.at(-1)).toEqual(NEXT);
    const again = [
      message(ledger),
      change(1n, 2n, 1n),
      message(ledger),
      message(now),
      caughtUp(2n),
    ];
    expect(await check(again)).toMatchObject({ lost: [] });
  });

  test("entries of several epochs can be in doubt, and those that come again are not lost", async () => {
    const promoted = grown(ledger, ["ann", "ben"], 2n);
    const restored = grown(promoted.slice(0, 6), ["ben"], 3n);
    const messages = [
      message(ledger),
      change(1n, 2n, 0n),
      message(promoted.slice(5)),
      change(1n, 3n, 5n),
      message(restored.slice(4, 5)),
      message(restored.slice(5, 6)),
      message(restored.slice(6)),
      caughtUp(3n),
    ];
    const { verdicts, lost } = await check(messages);
    expect(verdicts.slice(2)).toEqual(verdicts.slice(2).map(() => NEXT));
    expect(lost.map(({ userId, sequence, epoch }) => [userId, sequence, epoch])).toEqual([
      ["ben", 3n, 2n],
    ]);
  });

  test("a ledger that went back within its epoch is told by what has come when it has caught up", async () => {
    const now = grown(ledger.slice(0, 3), ["ann", "ann"], 1n, { kind: EntryKind.CONSUME });
    const messages = [message(ledger), change(1n, 1n, 4n), message(now.slice(3)), caughtUp(1n)];
    const { verdicts, lost } = await check(messages);
    expect(verdicts.slice(-2)).toEqual([NEXT, NEXT]);
    expect(lost.map(({ sequence }) => sequence)).toEqual([3n, 2n]);
  });

  test("a ledger that went back and says nothing has other entries under the numbers", async () => {
    const now = grown(ledger.slice(0, 3), ["ann", "ann"], 1n, { kind: EntryKind.CONSUME });
    const { verdicts } = await check([message(ledger), message(now.slice(3))]);
    expect(verdicts.slice(-2)).toMatchObject([{ kind: "fork", kept: { sequence: 3n } }, NEXT]);
  });

  test("what was lost is named exactly in random journals", async () => {
    let lostInAll = 0;
    const cut = fc.nat({ max: 12 });
    await fc.assert(
      fc.asyncProperty(JOURNAL, JOURNAL, cut, cut, async (users, more, lost, doubted) => {
        const whole = ledgerOf(users);
        const left = whole.slice(0, Math.max(whole.length - lost, 0));
        const from = Math.max(whole.length - Math.max(lost, doubted), 0);
        const now = grown(left, more, 2n);
        const found = await check([
          ...inMessages(whole, 4),
          change(1n, 2n, BigInt(from + 1)),
          ...inMessages(left.slice(from), 2),
          ...inMessages(now.slice(left.length), 3),
          caughtUp(2n),
        ]);
        const kinds = new Set(found.verdicts.map(({ kind }) => kind));
        expect([...kinds].filter((kind) => kind !== "next" && kind !== "begins")).toEqual([]);
        const gone = whole.slice(left.length).map(({ entry }) => Buffer.from(entry.hash));
        const named = found.lost.map(({ hash }) => Buffer.from(hash!));
        expect(named.toSorted(Buffer.compare)).toEqual(gone.toSorted(Buffer.compare));
        lostInAll += gone.length;
      }),
      { numRuns: 200 },
    );
    expect(lostInAll).toBeGreaterThan(100);
  });

  test("a reader that remembers few entries names those, and takes the others unchecked", async () => {
    const users = Array.from({ length: 9 }, () => "ann");
    const whole = ledgerOf(users);
    const heads = newHeads([], 2);
    const now = grown(whole.slice(0, 5), ["ann", "ann", "ann"], 2n);
    const messages = [message(whole), change(1n, 2n, 3n), message(now.slice(2, 5))];
    const all = [...messages, message(now.slice(5)), caughtUp(2n)];
    const { verdicts, lost } = await check(all, heads);
    const wrong = verdicts.filter(({ kind }) => kind !== "next" && kind !== "repeat");
    expect(wrong).toEqual([FIRST]);
    expect(lost.map(({ sequence }) => sequence)).toEqual([9n, 8n, 7n]);
    expect(heads.recent.size).toBe(2);
  });
});

describe("an erasure", () => {
  const ledger = ledgerOf(["ann", "ben", "ann"]);
  const erase = (from: readonly Placed[]) => {
    const { entry } = from.at(-1)!;
    const made = { kind: EntryKind.ERASE, points: 0n, erasedHash: entry.hash };
    return grown(
      from.map((one) => ({ ...one, entry: { ...one.entry, userId: renamed(one.entry.userId) } })),
      ["anon"],
      1n,
      made,
    ).at(-1)!;
  };
  const renamed = (userId: string) => (userId === "ann" ? "anon" : userId);

  test("is of the account whose last entry it names, which goes on under its new name", async () => {
    const erased = erase(ledger);
    const goneOn = grown([erased], ["anon", "ann"], 1n).slice(1);
    const { verdicts } = await check([message([...ledger, erased, ...goneOn])]);
    expect(verdicts.slice(3)).toEqual([{ kind: "erased", formerUserId: "ann" }, NEXT, FIRST]);
  });

  test("whose content was changed has another hash", async () => {
    const erased = erase(ledger);
    const entry = { ...erased.entry, balanceAfter: 9n };
    const { verdicts } = await check([message([...ledger, { ...erased, entry }])]);
    expect(verdicts.at(-1)).toEqual({ kind: "badHash" });
  });

  test("that names another journal is no right one", async () => {
    const made = { kind: EntryKind.ERASE, points: 0n, erasedHash: ledger[0]!.entry.hash };
    const { verdicts } = await check([message(grown(ledger, ["ann"], 1n, made))]);
    expect(verdicts.at(-1)).toEqual({ kind: "badHash" });
  });

  test("that was lost gives the account its name back", async () => {
    const charged = grown(ledger, ["ann"], 2n).slice(-1);
    const messages = [message([...ledger, erase(ledger)]), change(1n, 2n, 4n), message(charged)];
    const { verdicts, lost } = await check([...messages, caughtUp(2n)]);
    expect(verdicts.at(-1)).toEqual(NEXT);
    expect(lost).toMatchObject([{ userId: "anon", sequence: 3n }]);
  });

  test("of an account that the reader first met under its new name follows its entries", async () => {
    const { epoch, feed, entry } = ledger[2]!;
    const late = { epoch, feed, entry: { ...entry, userId: "anon" } };
    const { verdicts } = await check([message([...ledger.slice(0, 2), late, erase(ledger)])]);
    expect(verdicts.slice(2)).toEqual([{ kind: "begins", checked: false }, NEXT]);
  });
});

test("random journals are right, however they are cut into messages and repeated", async () => {
  let repeated = 0;
  const property = fc.asyncProperty(
    JOURNAL,
    fc.integer({ min: 1, max: 9 }),
    fc.nat(),
    async (users, size, again) => {
      const ledger = ledgerOf(users);
      const from = again % ledger.length;
      const messages = [...inMessages(ledger, size), ...inMessages(ledger.slice(from), size)];
      const { verdicts, lost } = await check(messages);
      const repeats = verdicts.slice(ledger.length);
      expect(repeats).toEqual(repeats.map(() => REPEAT));
      const firsts = verdicts.filter(({ kind }) => kind === "begins");
      expect(firsts).toHaveLength(new Set(users).size);
      expect(verdicts.slice(0, ledger.length).every(({ kind }) => kind !== "repeat")).toBe(true);
      expect(lost).toEqual([]);
      repeated += repeats.length;
    },
  );
  await fc.assert(property, { numRuns: 100 });
  expect(repeated).toBeGreaterThan(100);
});

/** Whose the entries are, in the order of the stream. */
const JOURNAL = fc.array(fc.constantFrom("ann", "ben", "cay", "dan"), {
  minLength: 1,
  maxLength: 40,
});

/** Entries of these users in this order, each with a feed number of its own, from 1 on, in epoch 1. */
function ledgerOf(users: readonly string[]): readonly Placed[] {
  return grown([], users, 1n);
}

/** What a ledger becomes when entries of these users are added to it, in an epoch. */
function grown(
  from: readonly Placed[],
  users: readonly string[],
  epoch: bigint,
  made: Partial<Entry> = { kind: EntryKind.RECHARGE },
): readonly Placed[] {
  const all = [...from];
  for (const userId of users) {
    const before = all.findLast(({ entry }) => entry.userId === userId)?.entry;
    const sequence = (before?.sequence ?? 0n) + 1n;
    // What is added in another epoch is other entries.
    const points = epoch * 1000n + BigInt(all.length);
    const feed = (all.at(-1)?.feed ?? 0n) + 1n;
    const entry = { ...create(EntrySchema), userId, sequence, points, ...made };
    const hash = chainHash(before?.hash ?? new Uint8Array(32), entry);
    all.push({ entry: { ...entry, hash: new Uint8Array(hash) }, epoch, feed });
  }
  return all;
}

function message(entries: readonly Placed[], epoch = 1n): StreamEntriesResponse {
  return create(StreamEntriesResponseSchema, {
    entries: entries.map(({ entry }) => entry),
    feeds: entries.map(({ feed }) => feed),
    epoch: entries[0]?.epoch ?? epoch,
  });
}

function inMessages(entries: readonly Placed[], size: number): StreamEntriesResponse[] {
  const messages = [];
  for (let at = 0; at < entries.length; at += size) {
    messages.push(message(entries.slice(at, at + size)));
  }
  return messages;
}

function caughtUp(epoch: bigint): StreamEntriesResponse {
  return create(StreamEntriesResponseSchema, { epoch, caughtUpTo: { seconds: 1n, nanos: 0 } });
}

function change(endedEpoch: bigint, epoch: bigint, doubtedFromFeed: bigint) {
  const epochChange = create(EpochChangeSchema, { endedEpoch, epoch, doubtedFromFeed });
  return create(StreamEntriesResponseSchema, { epoch: endedEpoch, epochChange });
}

/** All that a check says of these messages, one after the other. */
async function check(messages: readonly StreamEntriesResponse[], heads: Heads = newHeads()) {
  const verdicts: Verdict[] = [];
  const lost = [];
  for await (const checked of checkStream(streamOf(messages), heads)) {
    verdicts.push(...checked.verdicts);
    lost.push(...checked.lost);
  }
  return { verdicts, lost };
}

async function* streamOf(messages: readonly StreamEntriesResponse[]) {
  for (const one of messages) yield one;
}
