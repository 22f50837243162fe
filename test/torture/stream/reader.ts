import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Account } from "../../../gen/points/v1/account_pb.ts";
import type { StreamEntriesResponse } from "../../../gen/points/v1/ledger_pb.ts";
import type { Random } from "../../support/random.ts";
import type { Clock } from "../deployment/clock.ts";
import type { Points, Target } from "../deployment/targets.ts";
import { thrownOutcome } from "../load/history.ts";
import { microsOf } from "../oracle/time.ts";
import { type Consumer, type Counts, newConsumer } from "./consumer.ts";

/** What a run's reader of the stream has seen. */
export type Streamed = Readonly<Counts> & {
  /** How many streams it has opened, and how many of them at an older cursor. */
  readonly streams: number;
  readonly rewinds: number;
  /** Milliseconds from an answer to the entry's arrival, with nothing broken; in no order. */
  readonly lagsMs: readonly number[];
};

/** Follows the stream of all entries while the load runs. */
export type StreamReader = {
  readonly streamed: () => Streamed;
  /** Tells it that an entry was acknowledged. */
  acknowledged(userId: string, sequence: bigint): void;
  /** Tells it what the checker has read of an account: it must keep the same. */
  expect(account: Account, lastHash: Uint8Array | undefined): void;
  /** Reads until it has all that is expected, then compares, and ends. */
  finish(client: () => Points): Promise<void>;
  /** Ends it without a comparison. */
  end(): Promise<void>;
};

type Options = {
  readonly random: Random;
  readonly clock: Clock;
  readonly targets: readonly Target[];
  /** Whether nothing has been broken since a moment. */
  readonly isQuietSince: (moment: number) => boolean;
  readonly complain: (what: string) => void;
};

/** A cursor of a message, and how many entries were sent with it and before. */
type Saved = { readonly cursor: string; readonly sent: number };

const SAVED_MAX = 200;
const REWIND_SHARE = 0.3;
const STAY_MAX_MS = 8_000;
const REST_MS = 50;
/** The stream says at least every second how far it is; faults may silence it for a while. */
const SILENCE_MAX_MS = 30_000;
/** A message is not older than this when it arrives. */
const STALE_MS = 15_000;
const PATIENCE_MS = 60_000;
const AT_ONCE = 24;

/** Reads from the first entry on, at one server and then another, until it is told to finish. */
export function startReader({
  random,
  clock,
  targets,
  isQuietSince,
  complain: tell,
}: Options): StreamReader {
  const complain = (what: string) => tell(`the stream: ${what}`);
  const consumer = newConsumer(complain);
  const stopping = new AbortController();
  const saved: Saved[] = [{ cursor: "0", sent: 0 }];
  const expected = new Map<string, { account: Account; lastHash: Uint8Array }>();
  /** Acknowledged and not sent yet, by the moment of the answer; oldest first. */
  const awaited = new Map<string, number>();
  const lagsMs: number[] = [];
  let [streams, rewinds] = [0, 0];
  let hasRead = false;

  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      const up = targets.filter((target) => target.isUp());
      const target = random.pick(up.length === 0 ? targets : up);
      if (hasRead && random.chance(REWIND_SHARE) && saved.length > 1) {
        saved.length = random.whole(1, saved.length - 1);
        rewinds += 1;
      }
      hasRead = false;
      streams += 1;
      const from = saved.at(-1)!;
      consumer.begin(from.sent);
      try {
        await readFor(random.whole(0, STAY_MAX_MS), target.client(), from.cursor);
      } catch (thrown) {
        const outcome = thrownOutcome(thrown);
        const isUsual = outcome.kind === "unknown" || outcome.kind === "notApplied";
        if (!isUsual) complain(`it ended with ${JSON.stringify(outcome)}`);
        await sleep(REST_MS);
      }
    }
  }

  /** Reads a stream, and leaves it after a while. */
  async function readFor(stayMs: number, points: Points, cursor: string): Promise<void> {
    const left = performance.now() + stayMs;
    // Small messages end within an entry's batch.
    const maxEntries = random.chance(0.2) ? random.whole(1, 20) : 0;
    const leaving = new AbortController();
    const signal = AbortSignal.any([leaving.signal, stopping.signal]);
    let isLate = true;
    const silence = setTimeout(() => {
      complain(`no message for ${SILENCE_MAX_MS} ms`);
      leaving.abort();
    }, SILENCE_MAX_MS);
    try {
      for await (const message of points.streamEntries({ cursor, maxEntries }, { signal })) {
        silence.refresh();
        take(message, isLate);
        isLate &&= message.caughtUpTo === undefined || maxEntries > 0;
        if (performance.now() > left || signal.aborted) return;
      }
      complain("it ended without an error");
    } finally {
      clearTimeout(silence);
      leaving.abort();
    }
  }

  function take(message: StreamEntriesResponse, isLate: boolean): void {
    consumer.take(message);
    hasRead = true;
    saved.push({ cursor: message.cursor, sent: consumer.sent() });
    if (saved.length > SAVED_MAX) saved.shift();
    const now = performance.now();
    for (const { userId, sequence } of message.entries) {
      const name = `${userId} ${sequence}`;
      const since = awaited.get(name);
      if (since === undefined) continue;
      awaited.delete(name);
      if (!isLate && isQuietSince(since)) lagsMs.push(now - since);
    }
    if (message.caughtUpTo !== undefined) checkCaughtUp(microsOf(message.caughtUpTo), now);
  }

  /** Whatever the clock showed until an answer, it was less than this: it was acknowledged before. */
  function checkCaughtUp(upTo: bigint, now: number): void {
    for (const [name, since] of awaited) {
      if (clock.span(Math.min(since, now - STALE_MS), since).upTo >= upTo) return;
      awaited.delete(name);
      complain(`${name} was acknowledged, then it had caught up, and had not sent it`);
    }
  }

  const following = follow();
  const end = async () => {
    stopping.abort();
    await following;
  };
  return {
    streamed: () => ({ ...consumer.counts, streams, rewinds, lagsMs }),
    acknowledged(userId, sequence) {
      if (!consumer.has(userId, sequence)) {
        awaited.set(`${userId} ${sequence}`, performance.now());
      } else if (isQuietSince(performance.now())) lagsMs.push(0);
    },
    expect(account, lastHash) {
      if (lastHash !== undefined) expected.set(account.userId, { account, lastHash });
    },
    async finish(client) {
      const hasAll = () =>
        consumer.owing() === 0 &&
        [...expected].every(
          ([
            userId,
            {
              account: { sequence },
              lastHash,
            },
          ]) => consumer.has(userId, sequence, lastHash),
        );
      const until = performance.now() + PATIENCE_MS;
      while (!hasAll() && performance.now() < until) await sleep(REST_MS);
      await end();
      for (const { account, lastHash } of expected.values()) {
        compare(consumer, account, lastHash, complain);
      }
      await expectNoMore(consumer, expected, client, complain);
    },
    end,
  };
}

/** An account's last hash covers all its entries, and the consumer has checked the chain. */
function compare(
  consumer: Consumer,
  account: Account,
  lastHash: Uint8Array,
  complain: (what: string) => void,
): void {
  const { userId, sequence } = account;
  if (!consumer.has(userId, sequence, lastHash)) {
    return complain(`entry ${sequence} of ${userId} is not as in its journal, or was not sent`);
  }
  const differences = consumer.differences(account);
  if (differences.length === 0) return;
  complain(`the entries of ${userId} give another ${differences.join(", ")} than its account`);
}

/** What was booked since an account's check, such as an expiry, is in its journal too. */
async function expectNoMore(
  consumer: Consumer,
  expected: ReadonlyMap<string, { readonly account: Account }>,
  client: () => Points,
  complain: (what: string) => void,
): Promise<void> {
  const longer = [...consumer.lengths()].filter(
    ([userId, length]) => length > Number(expected.get(userId)?.account.sequence ?? 0n),
  );
  const work = async () => {
    for (let next = longer.pop(); next !== undefined; next = longer.pop()) {
      const [userId, length] = next;
      const by = { case: "sequence", value: BigInt(length) } as const;
      try {
        const { entry } = await client().getEntry({ userId, by });
        if (consumer.has(userId, by.value, entry!.hash)) continue;
        complain(`it has sent another entry ${length} of ${userId} than the ledger has`);
      } catch (thrown) {
        complain(`it has sent entry ${length} of ${userId}: ${String(thrown)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
