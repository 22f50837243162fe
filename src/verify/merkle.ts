import { sha256 } from "../encoding/sha256.ts";

/** A Merkle tree to which leaves are added one after the other. */
export type MerkleTree = {
  /** The number of leaves. */
  size: bigint;
  /** The roots of the full subtrees so far, the largest first: one for each 1 in the binary size. */
  readonly roots: Buffer[];
};

/** A tree without leaves. */
export function newTree(): MerkleTree {
  return { size: 0n, roots: [] };
}

/** Adds a leaf: log2(n) hashes at most, two in the mean. */
export function addLeaf(tree: MerkleTree, leaf: Uint8Array): void {
  let root = sha256(LEAF, leaf);
  // Two full subtrees of one size become one, as a carry in a binary number.
  for (let { size } = tree; size % 2n === 1n; size /= 2n) {
    root = sha256(NODE, tree.roots.pop()!, root);
  }
  tree.roots.push(root);
  tree.size += 1n;
}

/** The root as RFC 6962 (section 2.1) defines it, 32 bytes; without leaves the hash of nothing. */
export function rootOf({ roots }: MerkleTree): Buffer {
  if (roots.length === 0) return sha256(new Uint8Array());
  return roots.reduceRight((right, left) => sha256(NODE, left, right));
}

// Else a node could be passed off as a leaf.
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
