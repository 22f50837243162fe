import { connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { StreamEntriesRequestSchema } from "../gen/points/v1/ledger_pb.ts";
import { startCluster } from "./cluster.ts";
import { lookAtMachine } from "./machine.ts";
import { cpuMicrosOf } from "./processes.ts";
import { seed } from "./seed.ts";
import { startPoints, stopServers } from "./servers.ts";

// `npm run bench:stream -- [ENTRIES]`: how fast StreamEntries reads a journal from its first entry on,
// beside PostgreSQL's COPY of the same rows.

const ENTRIES = Number(process.argv[2] ?? 1_000_000);
const ENTRIES_PER_ACCOUNT = 500;
const COPIES = 3;

const cluster = await startCluster();
try {
  const { cpu, cores, commit, postgres } = await lookAtMachine(cluster);
  console.log(`${cpu}, ${cores} cores, PostgreSQL ${postgres}, commit ${commit}`);
  const database = await cluster.createDatabase("stream");
  const accounts = Math.ceil(ENTRIES / ENTRIES_PER_ACCOUNT);
  const consumes = accounts * (ENTRIES_PER_ACCOUNT - 1);
  await seed(database, { prefix: "user-", accounts, lots: 1, consumes, transactionEntries: 500 });
  const [counted] = await database.query("select count(*) from points.entry");
  const entries = Number(counted!["count"]);
  console.log(`${entries} entries of ${accounts} accounts`);

  const copies: number[] = [];
  for (let n = 0; n < COPIES; n += 1) {
    copies.push(await secondsOf(() => database.query("copy points.entry to '/dev/null'")));
  }
  const copy = entries / Math.min(...copies);
  console.log(`COPY: ${Math.round(copy)} entries a second, the best of ${COPIES}`);

  const server = await startPoints(database.url, {});
  const cpuBefore = cpuMicrosOf(server.pid);
  const seconds = await secondsOf(() => readAll(server.url, entries));
  const micros = (cpuMicrosOf(server.pid)! - cpuBefore!) / entries;
  const stream = entries / seconds;
  console.log(
    `stream: ${Math.round(stream)} entries a second; ${micros.toFixed(1)} µs of the server`,
  );
  console.log(`stream : COPY ${(stream / copy).toFixed(3)}`);
} finally {
  await stopServers();
  await cluster.remove();
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1_000;
}

/** Takes the bytes of the stream, and counts its entries by their tags alone. */
async function readAll(url: string, entries: number): Promise<void> {
  const session = connect(url);
  const call = session.request({
    ":method": "POST",
    ":path": "/points.v1.LedgerService/StreamEntries",
    "content-type": "application/grpc+proto",
    te: "trailers",
  });
  const message = toBinary(
    StreamEntriesRequestSchema,
    create(StreamEntriesRequestSchema, { cursor: "0" }),
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  call.end(Buffer.concat([head, message]));
  let [rest, seen]: [Buffer, number] = [Buffer.alloc(0), 0];
  for await (const chunk of call as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      seen += countEntries(rest.subarray(5, end));
      rest = rest.subarray(end);
    }
    if (seen >= entries) break;
  }
  session.destroy();
  if (seen !== entries) throw new Error(`the stream had ${seen} of ${entries} entries`);
}

/** Counts a message's fields with number 1, its entries, which come first. */
function countEntries(message: Buffer): number {
  let [at, count] = [0, 0];
  while (at < message.length && message[at] === 0x0a) {
    let [length, shift] = [0, 0];
    do {
      at += 1;
      length += (message[at]! & 0x7f) * 2 ** shift;
      shift += 7;
    } while (message[at]! >= 0x80);
    at += 1 + length;
    count += 1;
  }
  return count;
}
