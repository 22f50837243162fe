import { until } from "./processes.ts";
import type { TestServer } from "./server.ts";

/** Resolves once a server's queue has this many operations; those in a transaction are not in it. */
export async function queued({ metrics }: TestServer, operations: number): Promise<void> {
  await until(`${operations} operations are queued`, async () =>
    (await metrics()).includes(`points_queue_operations ${operations}\n`),
  );
}
