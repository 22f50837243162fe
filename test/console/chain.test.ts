import { clone } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkLinks } from "../../console/entry/chain.ts";
import { type Account, type Entry, EntrySchema } from "../../gen/points/v1/account_pb.ts";
import { erase } from "../../src/commit/erase.ts";
import { type Checked, checkJournal } from "../../src/client/check-journal.ts";
import { readJournal } from "../../src/client/client.ts";
import { testServer, type TestServer } from "../support/server.ts";

describe("the chain, checked as a browser does", () => {
  let server: TestServer;
  let account: Account;
  /** Newest first. */
  let entries: readonly Entry[];
  beforeAll(async () => {
    server = await testServer();
    const operations = Array.from({ length: 12 }, (_, at) => ({
      operation: {
        case: "recharge",
        value: { userId: "ada", points: BigInt(at + 1), actor: "Li", metadata: { n: `${at}` } },
      } as const,
    }));
    await server.client.applyBatch({ operations });
    const journal = await readJournal(server.client, "ada");
    account = journal.account;
    entries = journal.entries.toReversed();
  });
  afterAll(() => server.stop());

  /** The last that a check says, up to its first fault. */
  async function check(newestFirst: readonly Entry[], of = account) {
    // oxlint-disable-next-line typescript/require-await -- pages come one after the other
    async function* pages() {
      for (let at = 0; at < newestFirst.length; at += 5) yield newestFirst.slice(at, at + 5);
    }
    let last: Checked | undefined;
    for await (last of checkJournal(pages(), of)) if (last.fault !== undefined) break;
    return last;
  }

  /** The journal with one entry changed, by its number. */
  const changed = (sequence: bigint, change: (entry: Entry) => void) =>
    entries.map((entry) => {
      if (entry.sequence !== sequence) return entry;
      const other = clone(EntrySchema, entry);
      change(other);
      return other;
    });

  test("a journal is right, page by page", async () => {
    expect(await check(entries)).toEqual({ entries: 12, sequence: 1n, fault: undefined });
  });

  test("what was changed, left out or cut off at the beginning is found", async () => {
    const faults = await Promise.all([
      check(changed(7n, (entry) => (entry.points += 1n))),
      check(changed(8n, (entry) => (entry.actor = "Wang"))),
      check(changed(8n, (entry) => (entry.userId = "bob"))),
      check(entries.filter(({ sequence }) => sequence !== 6n)),
      check(entries.filter(({ sequence }) => sequence > 2n)),
      check(changed(1n, (entry) => (entry.hash = new Uint8Array(32)))),
      check(changed(1n, (entry) => (entry.createTime!.nanos += 1000))),
    ]);
    expect(faults.map((checked) => checked?.fault)).toEqual([
      { kind: "hash", sequence: 7n },
      { kind: "personal", sequence: 8n },
      { kind: "otherUser", sequence: 8n },
      { kind: "missing", sequence: 6n },
      { kind: "missing", sequence: 2n },
      { kind: "hash", sequence: 2n },
      { kind: "hash", sequence: 1n },
    ]);
  });

  test("a journal leads to its account, and one without its end does not", async () => {
    const fault = async (newestFirst: readonly Entry[], of = account) =>
      (await check(newestFirst, of))?.fault;
    expect(await fault(entries.slice(1))).toEqual({ kind: "account", sequence: 11n });
    const richer = { ...account, balance: account.balance + 1n };
    expect(await fault(entries, richer)).toEqual({ kind: "account", sequence: 12n });
    expect(await fault([])).toEqual({ kind: "account", sequence: 0n });
    const none = { ...account, sequence: 0n, balance: 0n };
    expect(await fault([], none)).toBeUndefined();
  });

  test("an entry fits between its neighbours, or does not", async () => {
    const [after, entry, before] = entries;
    expect(await checkLinks(entry!, { before, after })).toEqual({
      isOwnRight: true,
      isNextRight: true,
    });
    expect(await checkLinks(after!, { before: entry, after: undefined })).toEqual({
      isOwnRight: true,
      isNextRight: undefined,
    });
    expect(await checkLinks(entries.at(-1)!, { before: undefined, after: undefined })).toEqual({
      isOwnRight: true,
      isNextRight: undefined,
    });
    const other = { ...entry!, points: 99n };
    expect(await checkLinks(other, { before, after })).toEqual({
      isOwnRight: false,
      isNextRight: true,
    });
    expect(await checkLinks(entry!, { before: after, after: before })).toEqual({
      isOwnRight: false,
      isNextRight: false,
    });
  });

  test("an erased journal is right, without what was personal", async () => {
    await server.client.recharge({ userId: "eve", points: 5n, actor: "Li" });
    const erased = await erase(server.database.orm, "eve");
    const journal = await readJournal(server.client, erased.userId);
    const { account: eve } = journal;
    const newestFirst = journal.entries.toReversed();
    expect(await check(newestFirst, eve)).toMatchObject({ entries: 2, fault: undefined });
  });
});
