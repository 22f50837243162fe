import type { Orm } from "../store/driver/orm.ts";
import type { Run } from "../store/driver/transaction.ts";
import {
  growRoot,
  type Leaf,
  type NamedLeaf,
  readRoot,
  type Root,
  type RootPlace,
} from "./root.ts";

/** A root that was kept elsewhere, and if they were kept too, its leaves. */
export type KeptRoot = {
  readonly root: Root;
  /** Gives them in the order of digests, each time that it is called. */
  readonly leaves?: (() => AsyncIterable<Leaf>) | undefined;
};

/** An account that is not as it was: its leaf then, and its leaf as of then today. */
export type Difference = {
  readonly kept: Leaf | undefined;
  readonly found: NamedLeaf | undefined;
};

/**
 * Computes a kept root anew, as of its place, on today's database. It is the same if and only if each
 * account that had entries there has its last one, unchanged, and no other has; with a chain that
 * `verify` has found whole, all before it are unchanged too.
 *
 * @param choose gives the place of the kept root, in the snapshot that is read
 * @param onDifference is told each account that differs, if the leaves were kept
 * @returns the root as of that place today
 */
export async function compareRoot(
  orm: Orm,
  { choose, kept }: { choose: (run: Run) => Promise<RootPlace>; kept: KeptRoot },
  onDifference: (difference: Difference) => void,
): Promise<Root> {
  if (kept.leaves === undefined) return (await readRoot(orm, choose)).root;
  const leaves = kept.leaves()[Symbol.asyncIterator]();
  let next = await leaves.next();
  const passOver = async (upTo: Buffer | undefined) => {
    while (next.done !== true && (upTo === undefined || next.value.digest.compare(upTo) < 0)) {
      onDifference({ kept: next.value, found: undefined });
      next = await leaves.next();
    }
  };
  const { root } = await readRoot(orm, choose, async (found) => {
    await passOver(found.digest);
    const isKept = next.done !== true && next.value.digest.equals(found.digest);
    const leaf = isKept ? (next.value as Leaf) : undefined;
    if (leaf?.sequence !== found.sequence || !leaf.hash.equals(found.hash)) {
      onDifference({ kept: leaf, found });
    }
    if (isKept) next = await leaves.next();
  });
  await passOver(undefined);
  return root;
}

/** Whether two roots are the same. */
export function isSameRoot(one: Root, other: Root): boolean {
  const counts = one.accounts === other.accounts && one.entries === other.entries;
  return counts && Buffer.compare(one.hash, other.hash) === 0;
}

/** Whether these leaves make this root. */
export async function makesRoot(leaves: AsyncIterable<Leaf>, root: Root): Promise<boolean> {
  const growing = growRoot();
  for await (const leaf of leaves) growing.add(leaf);
  return isSameRoot(growing.end(), root);
}
