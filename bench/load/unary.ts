import { fromBinary } from "@bufbuild/protobuf";
import { FreezeResponseSchema } from "../../gen/points/v1/points_pb.ts";
import { type Connection, openConnection } from "./connection.ts";
import type { Job } from "./job.ts";
import { BATCH_OPS, createRequests, type Request } from "./requests.ts";
import { countApplied } from "./results.ts";
import type { Tally } from "./tally.ts";
import { userPicker } from "./users.ts";

/** A load under way. */
export type Load = {
  /** Starts no more calls, and awaits the calls under way. */
  finish(): Promise<void>;
};

type CallKind = "noop" | "consume" | "recharge" | "freeze" | "settle" | "getOrCreate" | "batch";

/** One call in flight; after its answer the next call takes its place. */
type Call = {
  kind: CallKind;
  user: number;
  startedAt: number;
  /** The answer's bytes so far, if the load reads it. */
  readonly answer: Buffer[];
  isAnswered: boolean;
};

/** The mix; the remaining 5 of 100 calls are Settles, one after each Freeze. */
const MIX: readonly (readonly [CallKind, number])[] = [
  ["consume", 70],
  ["recharge", 80],
  ["freeze", 85],
  ["getOrCreate", 95],
];
const MAKES_NO_ENTRY: ReadonlySet<CallKind> = new Set(["noop", "getOrCreate"]);
const IS_READ: ReadonlySet<CallKind> = new Set(["freeze", "batch"]);

/** A closed-loop load of unary calls: after each answer the next call starts on its connection. */
export async function startUnary(job: Job, tally: Tally): Promise<Load> {
  const requests = createRequests(job);
  const nextUser = userPicker(job.spread);
  const finished = Promise.withResolvers<void>();
  let underWay = 0;
  let isStopping = false;

  function nextRequest(call: Call, settles: bigint | undefined): Request {
    if (settles !== undefined) {
      call.kind = "settle";
      return requests.settle(call.user, settles);
    }
    call.kind = job.kind === "mix" ? drawKind() : (job.kind as CallKind);
    if (call.kind === "noop") return requests.noop();
    if (call.kind === "batch") return requests.applyBatch(nextUser);
    call.user = nextUser();
    return requests[call.kind as "consume" | "recharge" | "freeze" | "getOrCreate"](call.user);
  }

  function begin(lane: Lane, call: Call, settles?: bigint): void {
    const { path, message } = nextRequest(call, settles);
    call.startedAt = performance.now();
    call.isAnswered = false;
    call.answer.length = 0;
    lane.calls.set(lane.connection!.begin(path, message, true), call);
  }

  function onEnd(lane: Lane, stream: number, status: number | undefined): void {
    const call = lane.calls.get(stream);
    if (call === undefined) return;
    lane.calls.delete(stream);
    const isOk = call.isAnswered && status === 0;
    count(tally, call, isOk ? 0 : (status ?? NO_STATUS));
    const settles = isOk && call.kind === "freeze" ? holdOf(call) : undefined;
    if (!isStopping || settles !== undefined) return begin(lane, call, settles);
    underWay -= 1;
    if (underWay === 0) finished.resolve();
  }

  async function openLane(): Promise<Lane> {
    const lane: Lane = { calls: new Map(), connection: undefined };
    lane.connection = await openConnection(job.url, {
      onData(stream, bytes) {
        const call = lane.calls.get(stream)!;
        call.isAnswered = true;
        if (IS_READ.has(call.kind)) call.answer.push(Buffer.from(bytes));
      },
      onEnd: (stream, status) => onEnd(lane, stream, status),
      onTurn: () => lane.connection?.flush(),
      onBroken: finished.reject,
    });
    return lane;
  }

  const lanes = [await openLane()];
  const needed = Math.ceil(job.inFlight / lanes[0]!.connection!.maxStreams);
  while (lanes.length < Math.max(needed, job.connections)) lanes.push(await openLane());
  for (underWay = 0; underWay < job.inFlight; underWay += 1) {
    const call: Call = { kind: "noop", user: 0, startedAt: 0, answer: [], isAnswered: false };
    begin(lanes[underWay % lanes.length]!, call);
  }
  for (const { connection } of lanes) connection!.flush();
  return {
    async finish() {
      isStopping = true;
      await finished.promise;
      for (const { connection } of lanes) connection!.close();
    },
  };
}

type Lane = { readonly calls: Map<number, Call>; connection: Connection | undefined };

/** The status of a call without one: the stream was reset, or the answer was empty. */
const NO_STATUS = -1;

function count(tally: Tally, call: Call, status: number): void {
  const { kind, startedAt } = call;
  const operations = kind === "batch" ? BATCH_OPS : 1;
  if (status !== 0) return tally.refused(status === NO_STATUS ? undefined : status, operations);
  const applied = kind === "batch" ? countApplied(messageOf(call)) : 1;
  if (applied < operations) tally.refused(undefined, operations - applied);
  tally.answered(startedAt, applied, MAKES_NO_ENTRY.has(kind) ? 0 : applied);
}

function holdOf(call: Call): bigint {
  return fromBinary(FreezeResponseSchema, messageOf(call)).hold!.number;
}

/** The answer without its envelope. */
function messageOf({ answer }: Call): Buffer {
  return Buffer.concat(answer).subarray(5);
}

function drawKind(): CallKind {
  const drawn = Math.random() * 95;
  return MIX.find(([, below]) => drawn < below)![0];
}
