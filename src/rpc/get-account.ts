import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { NextExpirationSchema } from "../../gen/points/v1/account_pb.ts";
import type { GetAccountRequest, GetAccountResponseSchema } from "../../gen/points/v1/points_pb.ts";
import { accountNotFound, invalidField } from "../errors/api-error.ts";
import { type NextExpiration, nextExpirationOf } from "../ledger/next-expiration.ts";
import type { Micros } from "../ledger/time.ts";
import type { Orm } from "../store/driver/orm.ts";
import { type AccountAt, readAccountAt } from "../store/reads/as-of.ts";
import { readJournal } from "../store/reads/pages.ts";
import { emptyBooks, post, postingOf } from "../verify/books.ts";
import { toAccountMessage } from "./answers.ts";
import { instantOf, toTimestamp } from "./timestamps.ts";

/** Handles GetAccount: the account at an instant, and when points of its balance expire next. */
export async function getAccount(
  orm: Orm,
  { userId, asOf }: GetAccountRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof GetAccountResponseSchema>> {
  const instant = instantOf(asOf, "as_of");
  const { now, found } = await readAccountAt(orm, userId, instant);
  if (instant !== undefined && instant > now) {
    throw invalidField("as_of", "must not be in the future");
  }
  if (found === undefined) throw accountNotFound(userId);
  const { account, lots } = found;
  const next = lots === undefined ? await replay(orm, found, signal) : lots.next;
  const message = toAccountMessage(account);
  if (next !== undefined) {
    const { time, points } = next;
    message.nextExpiration = create(NextExpirationSchema, { time: toTimestamp(time), points });
  }
  return { account: message };
}

/** The most entries that a call replays: half a second of the server's thread, in pages. */
const REPLAY_MAX_ENTRIES = 100_000n;

/**
 * Finds out when points would have expired next after an entry, from all entries up to it: what a
 * lot had then is written nowhere else. It keeps the lots and holds, and a page of entries.
 *
 * @returns undefined, too, after more than REPLAY_MAX_ENTRIES
 */
async function replay(
  orm: Orm,
  { account: { userId, sequence }, untraced }: AccountAt,
  signal: AbortSignal,
): Promise<NextExpiration | undefined> {
  if (sequence > REPLAY_MAX_ENTRIES) return undefined;
  const books = emptyBooks<Micros | null>();
  for (let after = 0n; after < sequence;) {
    signal.throwIfAborted();
    const entries = await readJournal(orm, { userId, after, upTo: sequence });
    for (const entry of entries) {
      // A limit may have stopped it.
      const flaw = post(books, { ...postingOf(entry), mayStop: true });
      if (flaw !== undefined) throw new Error(`an account's entry ${entry.sequence} ${flaw}`);
    }
    if (entries.length === 0) throw new Error(`an account has no entry ${after + 1n}`);
    after = entries.at(-1)!.sequence;
  }
  return nextExpirationOf([...books.lots.values(), ...untraced]);
}
