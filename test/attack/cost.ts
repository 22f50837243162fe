import * as net from "node:net";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { envelope } from "../support/raw-call.ts";
import { type CostInput, framedCall, http1Call, pathOf } from "./cost-inputs.ts";
import { frame, PREFACE, settings, TYPE, uint32 } from "./frames.ts";
import { lengthed } from "./heavy-protobuf.ts";
import type { Served } from "./served.ts";
import { ADA } from "./target.ts";
import { openWire } from "./wire.ts";

/** The thread time that an input took and may take, in milliseconds. */
export type Cost = {
  readonly input: CostInput;
  readonly ms: number;
  readonly allowedMs: number;
  readonly answer: string;
};

/** Measures the thread time of inputs, one at a time. */
export type Meter = {
  cost(input: CostInput): Promise<Cost>;
  /** The cost of a valid batch of 1,000 operations, as a yardstick. */
  readonly honestBatchMs: number;
};

/** The limit of a request of 64 KiB. */
export const LIMIT_MS = 10;
/** The limit of a batch's message of 1 MiB. */
const MIB_MS = 160;
/** The allowance of each operation of a batch or stream, which a caller's rate limit counts. */
const OPERATION_MS = 0.3;
const REPEATS = 5;
const WARM_UPS = 200;
const IDLE_MS = 0.3;
const PATIENCE_MS = 60_000;

/**
 * CPU time meter: reads the clock of the server's thread before and after each input, so that
 * neither other processes nor other threads count. The cost of the connection is subtracted. An
 * input that seems too expensive is measured repeatedly, and the median counts.
 */
export async function openMeter(server: Served): Promise<Meter> {
  for (let n = 0; n < WARM_UPS; n += 1) await send(server, n % 2 === 0 ? SMALL : SMALL_HTTP1);
  const usualMs = await medianMs(server, SMALL);
  const usualHttp1Ms = await medianMs(server, SMALL_HTTP1);
  const honestBatchMs = await medianMs(server, HONEST_BATCH);
  return {
    honestBatchMs,
    async cost(input) {
      const usual = input.isHttp1 ? usualHttp1Ms : usualMs;
      const ofSizeMs = Math.max(LIMIT_MS, (MIB_MS * input.messageBytes) / 2 ** 20);
      const allowedMs = ofSizeMs + OPERATION_MS * (input.operations - 1);
      const { ms, answer } = await costOnce(server, input);
      const isCheap = ms - usual <= allowedMs / 2;
      const median = isCheap ? ms : await medianMs(server, input);
      return { input, ms: median - usual, allowedMs, answer };
    },
  };
}

async function medianMs(server: Served, input: CostInput): Promise<number> {
  const all: number[] = [];
  for (let n = 0; n < REPEATS; n += 1) all.push((await costOnce(server, input)).ms);
  return all.toSorted((one, other) => one - other)[(REPEATS - 1) / 2]!;
}

async function costOnce(server: Served, input: CostInput): Promise<{ ms: number; answer: string }> {
  const before = await idleAt(server);
  const answer = await send(server, input);
  return { ms: (await idleAt(server)) - before, answer };
}

/** The thread's CPU time once it is idle. */
async function idleAt(server: Served): Promise<number> {
  for (let before = server.threadMs(); ;) {
    await sleep(2);
    const now = server.threadMs();
    if (now - before < IDLE_MS) return now;
    before = now;
  }
}

/** Sends an input on a new connection, and gives the status of HTTP and of gRPC. */
async function send(server: Served, { isHttp1, bytes }: CostInput): Promise<string> {
  if (isHttp1) {
    const socket = net.connect({ port: server.port, host: "127.0.0.1" });
    let answer = "";
    socket.on("data", (chunk) => (answer += chunk.toString("latin1"))).on("error", () => {});
    socket.write(bytes);
    await once(socket, "close");
    return /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? "closed";
  }
  const wire = openWire(server.port);
  wire.send(GREETING, bytes);
  const isOver = () => wire.outcome(1) !== undefined || wire.state() !== "alive";
  const answered = await wire.until(isOver, PATIENCE_MS);
  const answer = wire.outcome(1) ?? (answered ? wire.state() : "silence");
  wire.close();
  return answer;
}

const WINDOW = 0x7fff_0000;
/** Settings without a header table, and a flow-control window for answers of any size. */
const GREETING = Buffer.concat([
  PREFACE,
  settings([1, 0], [4, WINDOW]),
  frame(TYPE.WINDOW_UPDATE, 0, 0, uint32(WINDOW)),
]);

const { getOrCreate, applyBatch } = PointsService.method;
const SMALL = honest(framedCall(pathOf(getOrCreate), [["content-type", "application/GRPC"]], ADA));
const JSON_BODY = Buffer.from(`{"userId":"ada"}`);
const SMALL_HTTP1: CostInput = {
  ...honest(http1Call(pathOf(getOrCreate), ["Content-Type: application/json"], JSON_BODY)),
  isHttp1: true,
};
const HONEST_BATCH = honest(batchOf(1_000));

/** A batch that repeats one recharge, which is applied once, so that no account grows. */
function batchOf(operations: number): Buffer {
  const names = [lengthed(1, Buffer.from("ada")), lengthed(2, Buffer.from("honest"))];
  const one = lengthed(1, lengthed(1, ...names, Buffer.from("2001", "hex")));
  const body = envelope(Buffer.concat(Array<Buffer>(operations).fill(one)));
  return framedCall(pathOf(applyBatch), [["content-type", "application/grpc"]], body);
}

function honest(bytes: Buffer): CostInput {
  return { name: "honest", isHttp1: false, bytes, messageBytes: bytes.length, operations: 1 };
}
