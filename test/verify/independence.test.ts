import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";

const ROOM = new URL("../../src/verify/", import.meta.url);

// Else a bug in one of the ledger's rules would be in verify too, and be found by neither.
test("verify takes nothing of the ledger but types and constants", async () => {
  const files = (await readdir(ROOM)).filter((name) => name.endsWith(".ts"));
  const sources = await Promise.all(files.map((name) => readFile(new URL(name, ROOM), "utf8")));
  const imports = sources.flatMap((source) => [
    ...source.matchAll(/^import (type )?\{([^}]*)\} from "\.\.\/ledger\//gm),
  ]);
  const values = imports
    .filter(([, type]) => type === undefined)
    .flatMap(([, , names]) => names!.split(","))
    .map((name) => name.trim())
    .filter((name) => name !== "" && !name.startsWith("type "));
  expect([...new Set(values)].toSorted()).toEqual([
    "GENESIS_HASH",
    "HOLD_MAX",
    "KIND_NUMBERS",
    "MAX_TOTAL",
    "NO_RECEIPT",
  ]);
});
