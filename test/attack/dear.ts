import { type Cost, LIMIT_MS, openMeter } from "./cost.ts";
import { messageInputs } from "./cost-inputs.ts";
import { hostileInputs } from "./hostile-inputs.ts";
import type { Served } from "./served.ts";

/**
 * Sends all inputs that there are, or as many as there is time for, and prints those that take more
 * of the server's thread than they may; gives their number.
 */
export async function findDear(server: Served, seed: number, seconds = Infinity): Promise<number> {
  const end = performance.now() + 1000 * seconds;
  const meter = await openMeter(server);
  let [inputs, dear] = [0, 0];
  for (const those of [hostileInputs(), messageInputs(seed)]) {
    for (const input of those) {
      if (performance.now() > end) break;
      if (isDear(await meter.cost(input))) dear += 1;
      inputs += 1;
      if (inputs % 1_000 === 0) console.log(`${inputs} inputs measured`);
    }
  }
  console.log(`${inputs} inputs measured, ${dear} of them too dear`);
  return dear;
}

/**
 * The same for those that are made by hand, on a machine of any speed: one that may take 10 ms may
 * take as long as twenty honest batches of 1,000 operations, about fifty times as much.
 */
export async function findVeryDear(server: Served): Promise<number> {
  const meter = await openMeter(server);
  const inputs = hostileInputs();
  let dear = 0;
  for (const input of inputs) {
    const cost = await meter.cost(input);
    // A wide margin: what is too dear takes hundreds of times as long, and machines are busy.
    const allowedMs = (cost.allowedMs / LIMIT_MS) * 20 * meter.honestBatchMs;
    if (isDear({ ...cost, allowedMs })) dear += 1;
  }
  console.log(`${inputs.length} inputs measured, ${dear} of them too dear`);
  return dear;
}

/** Whether it took more than it may; prints it then. */
function isDear({ input, ms, allowedMs, answer }: Cost): boolean {
  if (ms <= allowedMs) return false;
  const took = `${ms.toFixed(1)} ms of ${allowedMs.toFixed()} allowed`;
  console.log(`DEAR: ${took}: ${input.name} (${input.bytes.length} bytes, answered ${answer})`);
  return true;
}
