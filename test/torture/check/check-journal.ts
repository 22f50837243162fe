import { setImmediate as nextTurn } from "node:timers/promises";
import { toJsonString } from "@bufbuild/protobuf";
import { EntrySchema } from "../../../gen/points/v1/account_pb.ts";
import type { Asked, History } from "../load/history.ts";
import { decide } from "../oracle/decide.ts";
import { dueDraft, isDue } from "../oracle/due.ts";
import { append, type Dated, emptyReplay, type Replayed } from "../oracle/replay.ts";
import { microsOf } from "../oracle/time.ts";
import { fingerprintOf } from "./chain.ts";
import type { Complain, World } from "./check.ts";
import { accountMessage, bytesOf, entryMessage, holdMessage, isSame } from "./messages.ts";
import type { Order } from "./order.ts";
import type { Reading } from "./read-account.ts";
import type { Sighting } from "./sightings.ts";

/**
 * Replays a journal with the oracle: each entry must equal the oracle's entry byte for byte, and
 * everything due by then must come before it, in order. Each state on the way is compared with the
 * observations and with the accounts in answers.
 *
 * @returns the account after its last entry; undefined if the replay failed
 */
export async function checkJournal(
  { userId, caller }: History,
  reading: Reading,
  order: Order,
  world: World,
  sightings: readonly Sighting[],
  complain: Complain,
): Promise<Replayed | undefined> {
  const watch = watchFor(sightings, complain);
  const { salt } = reading.account;
  const createTime = microsOf(reading.account.createTime!);
  const account = emptyReplay(createTime);
  let hash: Uint8Array = new Uint8Array(32);
  const shown = () => bytesOf.account(accountMessage({ userId, salt }, account, createTime));
  watch.look(account, shown);
  for (const [index, entry] of reading.entries.entries()) {
    const { sequence } = entry;
    // The load runs in the same thread.
    if (index % ENTRIES_A_TURN === 0) await nextTurn();
    const owner = order.owners[index];
    const about = { sequence, tag: owner?.tag };
    const written = draftOf(account, owner, microsOf(entry.createTime!), world);
    if (typeof written === "string") {
      complain("mismatch", `entry ${sequence}: ${written}`, about);
      return undefined;
    }
    append(account, written.draft);
    const asked = owner === undefined ? SYSTEM_CAUSE : askedOf(owner, salt, caller.name);
    const expected = entryMessage(hash, { userId, salt }, written.draft, account, asked);
    if (!isSame(bytesOf.entry(entry), bytesOf.entry(expected))) {
      const [found, wanted] = [entry, expected].map((one) => toJsonString(EntrySchema, one));
      complain(
        "mismatch",
        `entry ${sequence} is\n    ${found}\n  and should be\n    ${wanted}`,
        about,
      );
      return undefined;
    }
    if (owner !== undefined) checkShown(owner, shown(), account, complain);
    hash = entry.hash;
    account.hashes.set(sequence, hash);
    watch.look(account, shown);
  }
  const { from: now } = world.clock.span(reading.asked, reading.moment);
  if (isDue(account, now > account.time ? now : account.time)) {
    complain("mismatch", "what was due is not booked after the last entry");
  }
  watch.finish();
  return account;
}

const ENTRIES_A_TURN = 200;
const SYSTEM_CAUSE = {
  caller: "",
  requestId: "",
  fingerprint: new Uint8Array(),
  metadata: {},
  actor: "",
};

/** The entry that must come next, at `time` if an operation made it; or why there is none. */
function draftOf(
  account: Replayed,
  owner: Asked | undefined,
  time: bigint,
  { prices }: World,
): { draft: Dated } | string {
  if (owner === undefined) {
    const draft = dueDraft(account);
    return draft === undefined ? "the ledger booked something, but nothing is due" : { draft };
  }
  if (isDue(account, time)) {
    return `the ${dueDraft(account)!.kind} of what was due had to come first`;
  }
  const decided = decide(account, owner.operation, time, prices);
  if (decided === undefined) return `${owner.tag} had nothing to do`;
  if (!("refused" in decided)) return { draft: decided };
  const { refused, metadata } = decided;
  return `${owner.tag} had to be refused: ${refused} ${JSON.stringify(metadata)}`;
}

function askedOf({ operation }: Asked, salt: Uint8Array, caller: string) {
  const { requestId, metadata, actor } = operation.value;
  return { caller, requestId, metadata, actor, fingerprint: fingerprintOf(salt, operation) };
}

/** Checks that every answer showed the account after its entry, and the hold that it made or extended. */
function checkShown(
  { tag, operation, attempts }: Asked,
  shown: Uint8Array,
  account: Replayed,
  complain: Complain,
) {
  const number = operation.case === "extendHold" ? operation.value.hold : account.sequence;
  const hold = account.holds.get(number);
  const made = hold === undefined ? undefined : bytesOf.hold(holdMessage(hold));
  for (const { outcome } of attempts) {
    if (outcome?.kind !== "applied") continue;
    const about = { tag, sequence: account.sequence };
    if (!isSame(outcome.account, shown)) {
      complain("mismatch", `${tag} was answered with another account than its entry left`, about);
    }
    if (!isSame(outcome.hold, made)) {
      complain("mismatch", `${tag} was answered with another hold than it made`, about);
    }
  }
}

/** Matches each observation with the states of the account in which it may be true. */
function watchFor(sightings: readonly Sighting[], complain: Complain) {
  const coming = sightings.toSorted((a, b) => b.first - a.first);
  const deny = ({ complaint, tag }: Sighting) => complain("mismatch", complaint, { tag });
  let open: Sighting[] = [];
  return {
    look(account: Replayed, shown: () => Uint8Array) {
      const at = Number(account.sequence);
      while (coming.length > 0 && coming.at(-1)!.first <= at) open.push(coming.pop()!);
      open = open.filter((sighting) => {
        if (sighting.last >= at && sighting.isTrueOf(account, shown)) return false;
        if (sighting.last > at) return true;
        deny(sighting);
        return false;
      });
    },
    /** Complains of the rest: they are true of no state. */
    finish() {
      for (const sighting of [...open, ...coming]) deny(sighting);
    },
  };
}
