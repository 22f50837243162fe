import { setTimeout as sleep } from "node:timers/promises";
import { startClient } from "./client.ts";
import { startFunctionCalls } from "./function.ts";
import type { Job, LoadKind, LoadMessage } from "./job.ts";
import { startStreams } from "./stream.ts";
import { createTally } from "./tally.ts";
import { startUnary } from "./unary.ts";

// The process of a load: `runLoad` in job.ts starts it and receives its messages.

const job = JSON.parse(process.argv[2]!) as Job;
const tally = createTally();
const load = await starterOf(job.kind)(job, tally);
await sleep(1000 * job.warmSeconds);
tally.start();
tell({ at: "start" });
await sleep(1000 * job.seconds);
tally.end();
tell({ at: "end" });
await load.finish();
tell({ at: "over", result: tally.result() });

function starterOf(kind: LoadKind) {
  if (kind === "function") return startFunctionCalls;
  if (kind === "client" || kind === "batching") return startClient;
  return kind === "stream" ? startStreams : startUnary;
}

function tell(message: LoadMessage): void {
  process.send!(message);
}
