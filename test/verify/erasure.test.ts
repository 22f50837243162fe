import { expect, test } from "vitest";
import { emptyAccount } from "../../src/ledger/account.ts";
import { personalDigestOf, recorded } from "../../src/ledger/digests.ts";
import { erase } from "../../src/ledger/erase.ts";
import { type Entry, nextEntry } from "../../src/ledger/entry.ts";
import { contentOf, SYSTEM_CAUSE } from "../../src/ledger/journal.ts";
import { flawOfErasedAccount, flawOfErasure, noErasures } from "../../src/verify/erasure.ts";
import { SALT } from "../support/salts.ts";
import { NOW } from "../support/statement.ts";

// Entry 1 is a recharge, which is erased; entry 2 says so; entry 3 is of after.
const made = nextEntry(
  { account: emptyAccount("ada", { salt: SALT, createTime: NOW }), policies: [] },
  contentOf(
    { kind: "recharge", points: 5n, allocations: [{ lot: 1n, points: 5n }] },
    {
      ...SYSTEM_CAUSE,
      request: recorded(SALT, { id: "order", hash: new Uint8Array(32) }),
      metadata: new Map([["for", "fun"]]),
      actor: "ana",
    },
  ),
  NOW,
);
const erasing = erase(made.account, { userId: "~", salt: SALT.toReversed() }, NOW);
const content = { kind: "consume", points: 0n, allocations: [] } as const;
const after = nextEntry(
  { account: erasing.account, policies: [] },
  contentOf(content, SYSTEM_CAUSE),
  NOW,
);

const kept: Entry = made.entry;
const erased: Entry = {
  ...kept,
  userId: "~",
  request: { ...kept.request!, id: "" },
  metadata: new Map(),
  actor: "",
  personalDigest: personalDigestOf(SALT, kept),
};
const erasure = erasing.entry;

test.each<{ what: string; journal: Entry[]; hasNameDigest?: boolean; flaw: string | undefined }>([
  {
    what: "an erased account is in order",
    journal: [erased, erasure, after.entry],
    flaw: undefined,
  },
  {
    what: "an account that is not erased is, too",
    journal: [kept],
    hasNameDigest: false,
    flaw: undefined,
  },
  {
    what: "an entry that its erasure forgot is found",
    journal: [kept, erasure],
    flaw: "erases entry 1, which keeps its values",
  },
  {
    what: "an erasure that nothing says is found",
    journal: [erased],
    flaw: "is erased, and no ERASE entry says so",
  },
  {
    what: "an erasure of another journal is found",
    journal: [erased, { ...erasure, erasedHash: new Uint8Array(32) }],
    flaw: "says another hash than that of the entry before",
  },
  {
    what: "an erasure of nothing is found",
    journal: [erased, { ...erasure, erasedHash: null }],
    flaw: "says another hash than that of the entry before",
  },
  ...[{ request: kept.request }, { metadata: kept.metadata }, { actor: kept.actor }].map(
    (values) => ({
      what: `an erased entry that keeps its ${Object.keys(values)[0]} is found`,
      journal: [{ ...erased, ...values }, erasure],
      flaw: "keeps a digest of what was erased, and values",
    }),
  ),
  {
    what: "an account's row that does not know of its erasure is found",
    journal: [erased, erasure],
    hasNameDigest: false,
    flaw: "the account has no name_digest",
  },
  {
    what: "an account's row that knows of an erasure that there was not is found",
    journal: [kept],
    flaw: "the account was never erased",
  },
])("$what", ({ journal, hasNameDigest = true, flaw }) => {
  const erasures = noErasures();
  const flaws = journal.map((entry, at) =>
    flawOfErasure(erasures, journal[at - 1]?.hash ?? new Uint8Array(32), entry),
  );
  const first = flaws.find((one) => one !== undefined);
  expect(first ?? flawOfErasedAccount(erasures, { hasNameDigest })?.what).toBe(flaw);
});
