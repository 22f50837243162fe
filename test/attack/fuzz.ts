import * as http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { startEmbedded } from "../../src/postgres/embedded/start.ts";
import { auditDatabase } from "../support/audit.ts";
import { type Random, randomOf } from "../support/random.ts";
import { openRunFolder } from "../support/run-folder.ts";
import { findExpensive, findVeryExpensive } from "./expensive.ts";
import { type CallInput, callInput, wireInput, type WireInput } from "./fuzz-inputs.ts";
import { GROWTH_MAX_MIB, serveApart, type Served } from "./served.ts";
import { HELLO, openWire } from "./wire.ts";

const HELP = `npm run fuzz -- [--minutes N | --seconds N] [--seed N] [--cost | --cost-slice]

Sends a server of its own what is almost right: frames of HTTP/2, frames of gRPC, protobuf and JSON,
each changed at random. It ends with 1 if the server dies, hangs, calls anything a bug, keeps too
much memory, or if an account is not in order at the end.

  --minutes, --seconds  how long; 1 minute
  --seed                chooses the inputs; by default from the time of day
  --cost                sends expensive requests of 64 KiB instead, and exits with 1 if one takes
                        more than 10 ms of the server's thread (Linux only); without a time limit
                        it sends all of them, in some ten minutes
  --cost-slice          a few of them, each compared with a batch of 1,000 operations`;

const CALLS_A_ROUND = 400;
const WIRES_A_ROUND = 60;
const AT_ONCE = 16;
const HANG_MS = 60_000;
const QUIET_MS = 50;
// Answers that show a bug: an internal error, or a stream that the server itself broke.
const BUG = /^(500|\d+ grpc 13|RST 2)$/;

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string" },
    cost: { type: "boolean" },
    "cost-slice": { type: "boolean" },
    help: { type: "boolean", short: "h" },
  },
});
const seconds =
  values.seconds === undefined ? 60 * Number(values.minutes ?? 1) : Number(values.seconds);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
if (values.help === true || !(seconds > 0) || !Number.isInteger(seed)) {
  console.log(HELP);
  process.exit(values.help === true ? 0 : 2);
}

/** The totals: how many answers of each kind, and the wrong ones. */
type Tally = { inputs: number; readonly answers: Map<string, number>; readonly wrong: string[] };

const { folder, close } = await openRunFolder();
const postgres = await startEmbedded(folder, { fsync: "off" });
try {
  const server = await serveApart({
    DATABASE_URL: postgres.url,
    ADMIN_LISTEN: "off",
    // No client is still watching when the server stops, so it need not drain for long.
    DRAIN_MS: "500",
  });
  try {
    await attack(server);
  } finally {
    await server.stop();
  }
  const { accounts, entries } = await auditDatabase(postgres.url);
  console.log(`${accounts} accounts and ${entries} entries, all in order`);
} finally {
  await postgres.stop();
  await close();
}

async function attack(server: Served): Promise<void> {
  const isTimed = values.minutes !== undefined || values.seconds !== undefined;
  let expensive = 0;
  if (values.cost === true)
    expensive = await findExpensive(server, seed, isTimed ? seconds : undefined);
  else if (values["cost-slice"] === true) expensive = await findVeryExpensive(server);
  else return fuzz(server);
  if (expensive > 0) process.exitCode = 1;
}

async function fuzz(server: Served): Promise<void> {
  const tally: Tally = { inputs: 0, answers: new Map(), wrong: [] };
  const random = randomOf(seed);
  console.log(`seed ${seed}, ${seconds} s`);
  await expectAnswer(server, tally);
  const before = server.memoryMib();
  let most = before;
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end && tally.wrong.length === 0) {
    await round(server, random, tally);
    await expectAnswer(server, tally);
    if (server.ended() === undefined) most = Math.max(most, server.memoryMib());
  }
  const bugs = server.log().match(/^.*("level":[56]0|Warning).*$/gm) ?? [];
  tally.wrong.push(...bugs.slice(0, 10).map((line) => `it logged ${line}`));
  const grown = most - before;
  if (grown > GROWTH_MAX_MIB) tally.wrong.push(`it grew by ${grown.toFixed()} MiB`);

  const counts = [...tally.answers].toSorted(([, one], [, other]) => other - one);
  for (const [answer, times] of counts) console.log(`${String(times).padStart(9)}  ${answer}`);
  const now = server.ended() === undefined ? server.memoryMib().toFixed() : "no";
  const memory = `${before.toFixed()} MiB before, ${most.toFixed()} at most, ${now} after`;
  console.log(`${tally.inputs} inputs; memory ${memory}`);
  for (const line of tally.wrong) console.error(`WRONG: ${line}`);
  if (tally.wrong.length > 0) process.exitCode = 1;
}

/** Sends many calls at once on one connection, then many inputs on connections of their own. */
async function round({ port }: Served, random: Random, tally: Tally): Promise<void> {
  const calls = Array.from({ length: CALLS_A_ROUND }, () => callInput(random));
  const wires = Array.from({ length: WIRES_A_ROUND }, () => wireInput(random));
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  await inTurns(calls, async (input) => {
    const answer = await call(session, input);
    count(tally, input.kind, answer);
    // gRPC prescribes INTERNAL for a compressed message without an encoding; the log shows bugs.
    const isFlagged = answer.endsWith("grpc 13") && (input.body[0] ?? 0) % 2 === 1;
    if (answer === "silence" || (BUG.test(answer) && !isFlagged)) {
      tally.wrong.push(shown(input, answer));
    }
  });
  session.destroy();
  await inTurns(wires, async (input) => count(tally, input.kind, await send(port, input)));
}

function count(tally: Tally, kind: string, answer: string): void {
  const name = `${kind}: ${answer}`;
  tally.inputs += 1;
  tally.answers.set(name, (tally.answers.get(name) ?? 0) + 1);
}

function shown({ kind, method, fields, body }: CallInput, answer: string): string {
  const head = fields.map(([name, value]) => `${name}: ${value.slice(0, 60)}`).join("; ");
  return `${answer} to ${kind} for ${method}, ${head}, ${body.subarray(0, 500).toString("hex")}`;
}

function call(session: http2.ClientHttp2Session, input: CallInput): Promise<string> {
  return new Promise((resolve) => {
    if (session.destroyed || session.closed) return resolve("no connection");
    const head: Record<string, string> = { ":method": "POST", te: "trailers" };
    for (const [name, value] of input.fields) head[name] = value;
    head[":path"] = `/${PointsService.typeName}/${input.method}`;
    const stream = session.request(head, { endStream: false });
    let status = "";
    let code: string | undefined;
    const collect = (headers: http2.IncomingHttpHeaders) => {
      status = String(headers[":status"] ?? status);
      code = headers["grpc-status"]?.toString() ?? code;
    };
    // A watch never ends by itself: the beginning of its answer is enough.
    const patience = input.method === "WatchAccount" ? QUIET_MS : HANG_MS;
    const timer = setTimeout(() => stream.close(http2.constants.NGHTTP2_CANCEL), patience);
    stream
      .on("response", collect)
      .on("trailers", collect)
      .on("error", () => {})
      .resume();
    stream.on("close", () => {
      clearTimeout(timer);
      const isCut = stream.rstCode === http2.constants.NGHTTP2_CANCEL;
      if (isCut) resolve(input.method === "WatchAccount" ? "watched" : "silence");
      else if (status === "") resolve(`RST ${stream.rstCode}`);
      else resolve(code === undefined ? status : `${status} grpc ${code}`);
    });
    stream.end(input.body);
  });
}

/** Sends bytes: some are answered, some end the connection, and some are incomplete. */
async function send(port: number, { bytes }: WireInput): Promise<string> {
  const wire = openWire(port);
  wire.send(HELLO, bytes);
  const streams = [1, 3, 5];
  await wire.until(() => streams.some((stream) => wire.outcome(stream) !== undefined), QUIET_MS);
  if (wire.state() === "alive") await wire.pings(QUIET_MS);
  const answers = streams.map((stream) => wire.outcome(stream));
  wire.close();
  return answers.find((answer) => answer !== undefined) ?? wire.state();
}

/** Runs a bounded number at once, and the rest as those end. */
async function inTurns<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await run(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function expectAnswer(server: Served, { wrong }: Tally): Promise<void> {
  // Its standard error arrives shortly after its exit.
  if (server.ended() !== undefined) await sleep(100);
  const ended = server.ended();
  if (ended !== undefined) wrong.push(`the server ended: ${ended}`);
  const response = await fetch(`${server.baseUrl}/${PointsService.typeName}/GetOrCreate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: `{"userId":"honest"}`,
    signal: AbortSignal.timeout(HANG_MS),
  }).catch((error: unknown) => error);
  const isAnswered = response instanceof Response && response.ok;
  if (!isAnswered) wrong.push(`an honest request was not answered: ${String(response)}`);
  if (response instanceof Response) await response.text();
}
