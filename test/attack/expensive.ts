import { type Cost, LIMIT_MS, openMeter } from "./cost.ts";
import { messageInputs } from "./cost-inputs.ts";
import { hostileInputs } from "./hostile-inputs.ts";
import type { Served } from "./served.ts";

/**
 * CPU exhaustion (DoS) test: sends all inputs, or as many as time allows, and prints those that
 * exceed their limit of the server's thread time.
 *
 * @returns the number of expensive inputs
 */
export async function findExpensive(
  server: Served,
  seed: number,
  seconds = Infinity,
): Promise<number> {
  const end = performance.now() + 1000 * seconds;
  const meter = await openMeter(server);
  let [inputs, expensive] = [0, 0];
  for (const those of [hostileInputs(), messageInputs(seed)]) {
    for (const input of those) {
      if (performance.now() > end) break;
      if (isExpensive(await meter.cost(input))) expensive += 1;
      inputs += 1;
      if (inputs % 1_000 === 0) console.log(`${inputs} inputs measured`);
    }
  }
  console.log(`${inputs} inputs measured, ${expensive} of them too expensive`);
  return expensive;
}

/**
 * The same for the handwritten inputs, on a machine of any speed: an input with a limit of 10 ms may
 * take as long as twenty valid batches of 1,000 operations, about fifty times as much.
 *
 * @returns the number of expensive inputs
 */
export async function findVeryExpensive(server: Served): Promise<number> {
  const meter = await openMeter(server);
  const inputs = hostileInputs();
  let expensive = 0;
  for (const input of inputs) {
    const cost = await meter.cost(input);
    // A wide margin: an expensive input takes hundreds of times as long, and machines are busy.
    const allowedMs = (cost.allowedMs / LIMIT_MS) * 20 * meter.honestBatchMs;
    if (isExpensive({ ...cost, allowedMs })) expensive += 1;
  }
  console.log(`${inputs.length} inputs measured, ${expensive} of them too expensive`);
  return expensive;
}

/** Whether the input exceeded its limit; then prints it. */
function isExpensive({ input, ms, allowedMs, answer }: Cost): boolean {
  if (ms <= allowedMs) return false;
  const took = `${ms.toFixed(1)} ms of ${allowedMs.toFixed()} allowed`;
  console.log(
    `EXPENSIVE: ${took}: ${input.name} (${input.bytes.length} bytes, answered ${answer})`,
  );
  return true;
}
