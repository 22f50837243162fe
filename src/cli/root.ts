import { finished } from "node:stream/promises";
import type { Writable } from "node:stream";
import { UserError } from "../errors/user-error.ts";
import { before, writeCursor } from "../feed/cursor.ts";
import type { Orm } from "../store/driver/orm.ts";
import { type LedgerHorizon, readHorizon } from "../verify/horizon.ts";
import { type Leaf, readRoot } from "../verify/root.ts";
import { readArguments } from "./arguments.ts";
import { withDatabase } from "./database.ts";
import { createOutput, writeOutput } from "./output-file.ts";
import { rateText, startProgress } from "./progress.ts";
import { type DatedRoot, leafLine, rootLine } from "./root-text.ts";

const PAGE_LEAVES = 5_000;

/** `points root`: prints the root of all accounts, as of the newest cursor that it can be of. */
export async function runRoot(args: readonly string[]): Promise<void> {
  const { values } = readArguments(args, { accounts: { type: "string" } }, []);
  const dated = await withDatabase("reads", async (orm) => {
    if (values.accounts === undefined) return takeRoot(orm, () => {});
    return intoFile(values.accounts, (write) => takeRoot(orm, write));
  });
  console.log(rootLine(dated));
}

/** The root as of now, and its cursor. @param onLeaf is called with each account's leaf */
export async function takeRoot(
  orm: Orm,
  onLeaf: (leaf: Leaf) => void | Promise<void>,
): Promise<DatedRoot> {
  const progress = startProgress();
  const sinceMs = performance.now();
  let accounts = 0;
  try {
    const { place, root } = await readRoot(orm, readHorizon, (leaf) => {
      accounts += 1;
      progress.show(() => rateText(accounts, "accounts", sinceMs));
      return onLeaf(leaf);
    });
    return { root, cursor: cursorOf(place) };
  } finally {
    progress.clear();
  }
}

/** With the horizon as its mark, which tells later whether a restore may have lost what is before. */
function cursorOf({ ledgerId, ...mark }: LedgerHorizon): string {
  const marks = mark.epoch === 0n ? [] : [mark];
  return writeCursor(ledgerId, { place: before(mark.epoch, mark.feed), marks });
}

/** Writes the leaves that `work` gives to a file, a page of lines at a time. */
async function intoFile<T>(
  name: string,
  work: (write: (leaf: Leaf) => void | Promise<void>) => Promise<T>,
): Promise<T> {
  const out: Writable = await createOutput(name);
  let lines: string[] = [];
  const flush = async () => {
    const page = lines.join("");
    lines = [];
    await writeOutput(out, page);
  };
  try {
    const result = await work((leaf) => {
      lines.push(leafLine(leaf));
      return lines.length < PAGE_LEAVES ? undefined : flush();
    });
    await flush();
    await finished(out.end());
    return result;
  } catch (error) {
    if (error !== out.errored) throw error;
    throw new UserError(`cannot write ${name}: ${out.errored?.message}`);
  }
}
