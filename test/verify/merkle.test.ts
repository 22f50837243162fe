import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { addLeaf, newTree, rootOf } from "../../src/verify/merkle.ts";

// The leaves and roots of the tests of Certificate Transparency's own implementation.
const LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"];
LEAVES.push("606162636465666768696a6b6c6d6e6f");
const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

test.each(ROOTS.map((root, size) => ({ root, size })))(
  "the root of $size known leaves is the known one",
  ({ root, size }) => {
    const leaves = LEAVES.slice(0, size).map((leaf) => Buffer.from(leaf, "hex"));
    expect(rootOfAll(leaves).toString("hex")).toBe(root);
  },
);

test("a root of any leaves is that of RFC 6962's definition, with few hashes kept", () => {
  const leaf = fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.array(leaf, { maxLength: 140 }), (leaves) => {
      expect(rootOfAll(leaves)).toEqual(defined(leaves));
    }),
  );
});

function rootOfAll(leaves: readonly Buffer[]): Buffer {
  const tree = newTree();
  for (const leaf of leaves) addLeaf(tree, leaf);
  expect(tree.roots.length).toBeLessThanOrEqual(8);
  return rootOf(tree);
}

/** Word by word. */
function defined(leaves: readonly Buffer[]): Buffer {
  const [first] = leaves;
  if (first === undefined) return hash();
  if (leaves.length === 1) return hash(Buffer.of(0), first);
  const half = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return hash(Buffer.of(1), defined(leaves.slice(0, half)), defined(leaves.slice(half)));
}

function hash(...parts: readonly Buffer[]): Buffer {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}
