import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "@connectrpc/connect";
import type { Random } from "../../support/random.ts";
import type { OpenStream } from "../deployment/guest.ts";
import type { Target } from "../deployment/targets.ts";
import type { Doubts } from "./doubts.ts";
import { openedOf, type Outcome, thrownOutcome } from "./history.ts";
import { holdStream } from "./hold-stream.ts";
import { walkPages } from "./pages.ts";
import type { Item, Rounds } from "./rounds.ts";
import { type Done, sendAlone, sendBatch, sendStream, sendTrial } from "./send.ts";
import type { Waits } from "./waits.ts";

/** How many callers of each kind run at once (closed-loop: each awaits its answer). */
export type Callers = {
  /** One ApplyBatch after the other. */
  readonly batchers: number;
  /** One stream of Apply after the other. */
  readonly streamers: number;
  /** One unary call after the other, of every other kind. */
  readonly loners: number;
  /** One idle stream after the other. */
  readonly holders: number;
};

export type LoadOptions = Callers & {
  readonly random: Random;
  readonly targets: readonly Target[];
  readonly doubts: Doubts;
  readonly rounds: Rounds;
  /** Counts outcomes of attempts: "applied", "refused INSUFFICIENT_POINTS", "opened", … */
  readonly tally: Map<string, number>;
  /** Whether some callers time out or cancel early. */
  readonly impatient: boolean;
  /** Measures each unary call: one operation, or GetOrCreate. */
  readonly waits: Waits;
  /** The open streams of callers that may be withdrawn; undefined if these callers may not be. */
  readonly streams: Set<OpenStream> | undefined;
  /** Called with each violation that an answer alone proves. */
  readonly onWrong: (what: string) => void;
  /** Called at each answer of the ledger, with the server's number. */
  readonly onAnswer: (server: number) => void;
  /** Called with each entry that is acknowledged for the first time. */
  readonly onEntry: (userId: string, sequence: bigint) => void;
};

export type Load = {
  /** Starts no more batches and streams until the returned function is called. */
  pauseBatches(): () => void;
  /** Starts no new rounds, and resolves when the last round is handed over. */
  finish(): Promise<void>;
  /** Stops at once, and resolves when no call is under way. */
  giveUp(): Promise<void>;
};

const BATCH_MAX_OPS = 250;
const STREAM_ROOM_OPS = 200;
const STREAM_OPS = 2_000;
const PATIENCE_MS = 15_000;
const REST_MS = 50;
const HELD_MS = 60_000;

/** Load generator: callers send random operations without a pause until they are stopped. */
export function startLoad(options: LoadOptions): Load {
  const { random, rounds, tally } = options;
  const stopping = new AbortController();
  let pauses = 0;

  function note(outcome: Outcome, who: string, server: number): void {
    const name = "reason" in outcome ? `${outcome.kind} ${outcome.reason}` : nameOf(outcome);
    tally.set(name, (tally.get(name) ?? 0) + 1);
    const isWithdrawn = name.endsWith(" UNAUTHENTICATED") && options.streams === undefined;
    if (outcome.kind === "wrong" || isWithdrawn) options.onWrong(`${who} was told: ${name}`);
    if (outcome.kind === "applied" || outcome.kind === "refused") options.onAnswer(server);
  }

  function aim(): Aim {
    const { targets } = options;
    const up = targets.filter((target) => target.isUp());
    const target = random.pick(up.length === 0 || random.chance(0.02) ? targets : up);
    const server = targets.indexOf(target);
    const aimed: Aim = {
      target,
      mayBatch: () => pauses === 0,
      stopping: stopping.signal,
      isToRest: false,
      rest: () => void (aimed.isToRest = true),
      done(item, outcome) {
        if (outcome.kind === "unknown" || outcome.kind === "notApplied") aimed.rest();
        note(outcome, item.asked.tag, server);
        if (outcome.kind === "applied" && !outcome.replayed && outcome.entry !== undefined) {
          options.onEntry(item.account.history.userId, outcome.sequence);
        }
        rounds.done(item, outcome);
      },
      note: (outcome, who) => note(outcome, who, server),
      answered(what) {
        tally.set(what, (tally.get(what) ?? 0) + 1);
        options.onAnswer(server);
      },
    };
    return aimed;
  }

  async function call(step: Step): Promise<void> {
    while (!rounds.isOver()) {
      const to = aim();
      await step(to, options, aim);
      // Without this pause a caller would spin on a server that is down, or while nothing starts.
      if (to.isToRest || stopping.signal.aborted) await sleep(REST_MS);
    }
  }

  const callers = [
    ...Array.from({ length: options.batchers }, () => call(batchStep)),
    ...Array.from({ length: options.streamers }, () => call(streamStep)),
    ...Array.from({ length: options.loners }, () => call(loneStep)),
    ...Array.from({ length: options.holders }, () => call(holdStep)),
  ];
  return {
    pauseBatches() {
      pauses += 1;
      return () => void (pauses -= 1);
    },
    async finish() {
      stopping.abort();
      rounds.stop();
      await Promise.all(callers);
    },
    async giveUp() {
      stopping.abort();
      rounds.giveUp();
      await Promise.all(callers);
    },
  };
}

/** The server of one step, and the step's callbacks. */
type Aim = {
  readonly target: Target;
  /** Whether batches and streams may start now. */
  readonly mayBatch: () => boolean;
  /** Fires when the load stops. */
  readonly stopping: AbortSignal;
  isToRest: boolean;
  /** Makes the caller pause after the step. */
  readonly rest: () => void;
  readonly done: Done<Item>;
  readonly note: (outcome: Outcome, who: string) => void;
  /** Counts an answer that is no outcome of an attempt. */
  readonly answered: (what: "opened" | "validated") => void;
};

type Step = (to: Aim, options: LoadOptions, aim: () => Aim) => Promise<void>;

const batchStep: Step = async (to, options) => {
  const items = to.mayBatch() ? options.rounds.take(options.random.whole(10, BATCH_MAX_OPS)) : [];
  if (items.length === 0) return to.rest();
  await sendBatch(to.target.client(), items, patience(options), to.done);
};

const streamStep: Step = async (to, { rounds, streams }) => {
  let left = STREAM_OPS;
  const take = (room: number) => {
    const items = to.target.isUp() && to.mayBatch() ? rounds.take(Math.min(room, left)) : [];
    left -= items.length;
    return items;
  };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const stream = { what: "a stream of operations", end: undefined as string | undefined };
  streams?.add(stream);
  await sendStream(to.target.client(), take, STREAM_ROOM_OPS, { signal }, to.done);
  streams?.delete(stream);
  stream.end = "somehow";
  if (left === STREAM_OPS) to.rest();
};

const loneStep: Step = async (to, options, aim) => {
  const { random, rounds } = options;
  const kind = random.weighted({ one: 14, twins: 4, open: 4, trial: 2, pages: 1 });
  if (kind === "open") return open(to, options);
  if (kind === "pages") return readPages(to, options);
  if (kind === "trial") return validate(to, options);
  const [item] = rounds.take(1);
  if (item === undefined) return to.rest();
  const waited = options.waits.begin(item.account.history.userId);
  const calls = [sendAlone(to.target.client(), item, patience(options), to.done).then(waited)];
  if (kind === "twins" && item.asked.operation.value.requestId !== "") {
    // The same request at the same time, half the time through the other server.
    const other = aim();
    item.round.underWay += 1;
    calls.push(sendAlone(other.target.client(), item, patience(options), other.done));
  }
  await Promise.all(calls);
};

const holdStep: Step = async (to, { random, rounds, streams }) => {
  const userId = rounds.someAccount()?.account.history.userId;
  if (userId === undefined) return to.rest();
  const kind = random.pick(["a watch", "a stream of entries", "an idle stream"] as const);
  const stream: OpenStream = { what: kind, end: undefined };
  streams?.add(stream);
  const signal = AbortSignal.any([to.stopping, AbortSignal.timeout(HELD_MS)]);
  try {
    await holdStream(to.target.client(), kind, userId, signal);
    stream.end = "";
  } catch (thrown) {
    const outcome = thrownOutcome(thrown);
    to.note(outcome, `who holds ${kind} open`);
    stream.end = "reason" in outcome ? outcome.reason : outcome.kind;
  } finally {
    streams?.delete(stream);
  }
  to.rest();
};

async function open(to: Aim, options: LoadOptions): Promise<void> {
  const found = options.rounds.someAccount();
  if (found === undefined) return;
  const { round, account } = found;
  const { history } = account;
  const { userId } = history;
  const start = performance.now();
  history.openedFrom = Math.min(history.openedFrom, start);
  round.underWay += 1;
  const waited = options.waits.begin(userId);
  try {
    const answer = await to.target.client().getOrCreate({ userId }, patience(options));
    history.opened.push(openedOf(answer, start));
    to.answered("opened");
  } catch (thrown) {
    to.note(thrownOutcome(thrown), userId);
    to.rest();
  } finally {
    waited();
    round.underWay -= 1;
  }
}

/** The check of the journal finds an entry of it, if it is kept, as one that nobody asked for. */
async function validate(to: Aim, options: LoadOptions): Promise<void> {
  const trial = options.rounds.someTrial();
  if (trial === undefined) return;
  const { round, operation } = trial;
  const { userId, requestId } = operation.value;
  round.underWay += 1;
  const outcome = await sendTrial(to.target.client(), operation, patience(options));
  round.underWay -= 1;
  const isDecided = outcome.kind === "applied" || outcome.kind === "refused";
  if (isDecided) to.answered("validated");
  else to.note(outcome, userId);
  if (!isDecided) to.rest();
  if (outcome.kind === "applied" && outcome.replayed) {
    options.onWrong(`${requestId} of ${userId} was kept, though it was only validated`);
  }
}

async function readPages(to: Aim, options: LoadOptions): Promise<void> {
  const { random, doubts, rounds, onWrong } = options;
  const userId = rounds.someAccount()?.account.history.userId;
  if (userId === undefined) return;
  const start = performance.now();
  const wrong: string[] = [];
  try {
    await walkPages(to.target.client(), userId, random.whole(1, 200), (what) => wrong.push(what));
    if (doubts.isSure(start, performance.now())) wrong.forEach(onWrong);
  } catch (thrown) {
    const outcome = thrownOutcome(thrown);
    to.note(outcome, `who lists the entries of ${userId}`);
    if (outcome.kind !== "refused") to.rest();
  }
}

function patience({ random, impatient }: LoadOptions): CallOptions {
  if (!impatient || !random.chance(0.03)) return { timeoutMs: PATIENCE_MS };
  const soonMs = random.whole(1, 40);
  const kind = random.weighted({ deadline: 1, unawaited: 1, leaving: 1 });
  switch (kind) {
    case "deadline":
      // Only the server enforces this deadline, so that it reports the outcome.
      return {
        headers: { "grpc-timeout": `${soonMs}m` },
        signal: AbortSignal.timeout(PATIENCE_MS),
      };
    case "unawaited":
      return { timeoutMs: soonMs };
    case "leaving":
      return { timeoutMs: PATIENCE_MS, signal: AbortSignal.timeout(soonMs) };
  }
}

function nameOf(outcome: Outcome & { kind: "applied" }): string {
  return outcome.replayed ? "applied before" : "applied";
}
