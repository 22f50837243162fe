import { sql } from "kysely";
import type { Orm } from "../store/driver/orm.ts";
import { inLongSnapshot, type Run } from "../store/driver/transaction.ts";
import { addLeaf, newTree, rootOf } from "./merkle.ts";

/** A place in the stream of all entries: before all of this feed number. */
export type RootPlace = { readonly epoch: bigint; readonly feed: bigint };

/** What the ledger was at a place of the stream, in one hash. */
export type Root = {
  readonly accounts: bigint;
  readonly entries: bigint;
  /** The Merkle root (RFC 6962) of the accounts' leaves. 32 bytes. */
  readonly hash: Uint8Array;
};

/** An account that has entries before the place: its last one there. */
export type Leaf = {
  /** SHA-256 of the account's salt and its first user id: it stays when that is erased. */
  readonly digest: Buffer;
  readonly sequence: bigint;
  readonly hash: Buffer;
};

/** A leaf, and the account's user id today. */
export type NamedLeaf = Leaf & { readonly userId: string };

/** A root, as it is computed leaf by leaf. */
export type GrowingRoot = { add(leaf: Leaf): void; end(): Root };

/**
 * Computes the root over all accounts that have entries before a place of the stream, whatever came
 * later: of each (digest, sequence, hash) of its last one there, in the order of digests. PostgreSQL
 * sorts, and one page is in memory. It locks and writes nothing.
 *
 * @param choose gives the place, in the snapshot that is read
 * @param onLeaf is called with each leaf, in their order
 * @throws errors of the database
 */
export async function readRoot<Chosen extends RootPlace>(
  orm: Orm,
  choose: (run: Run) => Promise<Chosen>,
  onLeaf: (leaf: NamedLeaf) => void | Promise<void> = () => {},
): Promise<{ readonly place: Chosen; readonly root: Root }> {
  return inLongSnapshot(orm, async (run) => {
    const place = await choose(run);
    const growing = growRoot();
    for await (const page of readLeaves(run, place)) {
      for (const leaf of page) {
        growing.add(leaf);
        const written = onLeaf(leaf);
        if (written !== undefined) await written;
      }
    }
    return { place, root: growing.end() };
  });
}

/** The root of leaves that come in the order of digests. */
export function growRoot(): GrowingRoot {
  const tree = newTree();
  let entries = 0n;
  return {
    add(leaf) {
      addLeaf(tree, bytesOf(leaf));
      entries += leaf.sequence;
    },
    end: () => ({ accounts: tree.size, entries, hash: rootOf(tree) }),
  };
}

/** A leaf's bytes: digest (32), sequence (8, big endian), hash (32). */
function bytesOf({ digest, sequence, hash }: Leaf): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(sequence);
  return Buffer.concat([digest, bytes, hash]);
}

const PAGE_LEAVES = 5_000;

/** Reads the leaves as of a place, in the order of digests, a page at a time. */
async function* readLeaves(
  run: Run,
  { epoch, feed }: RootPlace,
): AsyncGenerator<readonly NamedLeaf[]> {
  const isBefore = (of: string, prefix = "") =>
    sql`(${sql.ref(`${of}.${prefix}epoch`)}, ${sql.ref(`${of}.feed`)})
      < (${sql.lit(String(epoch))}::bigint, ${sql.lit(String(feed))}::bigint)`;
  const digest = sql`coalesce(account.name_digest,
    sha256(account.salt || convert_to(account.user_id, 'UTF8')))`;
  // All accounts are read, and few of their entries: those that came after the place, backwards.
  await run(sql`set local enable_seqscan = on`);
  await run(sql`
    declare leaf no scroll cursor for
    select user_id, ${digest} as digest, last.sequence, last.hash
    from account cross join lateral (
      select account.sequence, account.hash
      where account.sequence > 0 and ${isBefore("account", "feed_")}
      union all
      (select entry.sequence, entry.hash from entry
      where entry.user_id = account.user_id and not ${isBefore("account", "feed_")}
        and ${isBefore("entry")}
      order by entry.sequence desc limit 1)
    ) as last
    order by digest`);
  for (;;) {
    const { rows } = await run(sql<LeafRow>`fetch ${sql.lit(PAGE_LEAVES)} from leaf`);
    yield rows.map(({ user_id: userId, sequence, ...row }) => ({
      ...row,
      userId,
      sequence: BigInt(sequence),
    }));
    if (rows.length < PAGE_LEAVES) return;
  }
}

type LeafRow = { user_id: string; digest: Buffer; sequence: string; hash: Buffer };
