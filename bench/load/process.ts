import { setTimeout as sleep } from "node:timers/promises";
import type { Job, LoadMessage } from "./job.ts";
import { startStreams } from "./stream.ts";
import { createTally } from "./tally.ts";
import { startUnary } from "./unary.ts";

// The process of a load: `runLoad` in job.ts starts it, and hears from it.

const job = JSON.parse(process.argv[2]!) as Job;
const tally = createTally();
const load = await (job.kind === "stream" ? startStreams : startUnary)(job, tally);
await sleep(1000 * job.warmSeconds);
tally.start();
tell({ at: "start" });
await sleep(1000 * job.seconds);
tally.end();
tell({ at: "end" });
await load.finish();
tell({ at: "over", result: tally.result() });

function tell(message: LoadMessage): void {
  process.send!(message);
}
