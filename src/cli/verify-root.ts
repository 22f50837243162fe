import { open, readFile } from "node:fs/promises";
import { UserError } from "../errors/user-error.ts";
import { before, comparePlaces, type Cursor, readCursor } from "../feed/cursor.ts";
import { isKept } from "../feed/lives.ts";
import { readLives } from "../store/reads/feed.ts";
import type { Orm } from "../store/driver/orm.ts";
import type { Run } from "../store/driver/transaction.ts";
import { compareRoot, type Difference, isSameRoot, makesRoot } from "../verify/compare-root.ts";
import { readHorizon } from "../verify/horizon.ts";
import type { Leaf } from "../verify/root.ts";
import { countsText, countText } from "./counts-text.ts";
import { type DatedRoot, hexOf, parseLeaf, parseRoot } from "./root-text.ts";

/** What was kept elsewhere, as the command line gives it. */
export type GivenRoot = {
  /** The line of `points root`, or the name of a file that has it. */
  readonly root: string;
  /** The file of its `--accounts`. */
  readonly accounts: string | undefined;
};

/**
 * Checks that all that a kept root covers is still there.
 *
 * @returns what is wrong, a line each
 * @throws {UserError} if there is no root to check, or the database has not come to its cursor
 */
export async function verifyRoot(orm: Orm, given: GivenRoot): Promise<readonly string[]> {
  const { root, cursor: text } = await readRootLine(given.root);
  const leaves = given.accounts === undefined ? undefined : await leavesOf(given.accounts, root);
  let cursor: Cursor | undefined;
  const choose = async (run: Run) => {
    const horizon = await readHorizon(run);
    cursor = readCursor(horizon.ledgerId, text);
    if (cursor === undefined) throw new UserError("the root's cursor is not of this ledger");
    if (comparePlaces(cursor.place, before(horizon.epoch, horizon.feed)) > 0) {
      throw new UserError(
        "the database has not come to the root's cursor: it is a standby that is behind, or was set back",
      );
    }
    return cursor.place;
  };
  const lines: string[] = [];
  const today = await compareRoot(orm, { choose, kept: { root, leaves } }, (one) => {
    lines.push(differenceText(one));
  });
  if (isSameRoot(today, root)) return [];
  lines.push(`the root is another, of ${countsText(today)}; it was of ${countsText(root)}`);
  const lives = await readLives(orm);
  const mark = cursor?.marks[0];
  return mark !== undefined && isKept(mark, lives) ? lines : [...lines, AFTER_A_RESTORE];
}

const AFTER_A_RESTORE =
  "the database was restored or promoted since, and may have lost the last entries before the cursor";

function differenceText({ kept, found }: Difference): string {
  if (found === undefined) {
    return `account ${hexOf(kept!.digest)} is gone, with ${entriesText(kept!)}`;
  }
  const { userId, sequence } = found;
  if (kept === undefined) return `${userId}: is new, with ${entriesText(found)} before the cursor`;
  if (kept.sequence !== sequence) {
    return `${userId}: has ${entriesText(found)} before the cursor, and had ${kept.sequence}`;
  }
  return `${userId}: entry ${sequence}: has another hash than it had`;
}

function entriesText({ sequence }: Leaf): string {
  return countText(sequence, "entry", "entries");
}

async function readRootLine(given: string): Promise<DatedRoot> {
  const text = parseRoot(given) === undefined ? await readGiven(given) : given;
  const dated = parseRoot(text);
  if (dated === undefined) throw new UserError(`${given} has not one line of "points root"`);
  return dated;
}

async function readGiven(name: string): Promise<string> {
  return readFile(name, "utf8").catch((error: Error) => {
    throw new UserError(`cannot read ${name}: ${error.message}`);
  });
}

/** The accounts in a file, which it reads line by line, once they have been found to make the root. */
async function leavesOf(name: string, root: DatedRoot["root"]): Promise<() => AsyncIterable<Leaf>> {
  const leaves = () => readLeaves(name);
  if (await makesRoot(leaves(), root)) return leaves;
  throw new UserError(`${name} has not the accounts of the root`);
}

async function* readLeaves(name: string): AsyncGenerator<Leaf> {
  const file = await open(name).catch((error: Error) => {
    throw new UserError(`cannot read ${name}: ${error.message}`);
  });
  let number = 0;
  for await (const line of file.readLines()) {
    number += 1;
    const leaf = parseLeaf(line);
    if (leaf === undefined) throw new UserError(`${name}: line ${number} is no account's`);
    yield leaf;
  }
}
