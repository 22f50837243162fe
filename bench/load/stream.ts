import { type Connection, openConnection } from "./connection.ts";
import type { Job } from "./job.ts";
import { createRequests } from "./requests.ts";
import { readResult } from "./results.ts";
import type { Tally } from "./tally.ts";
import type { Load } from "./unary.ts";
import { userPicker } from "./users.ts";

/** Starts one Apply stream per connection; they share the number of operations under way. */
export async function startStreams(job: Job, tally: Tally): Promise<Load> {
  const requests = createRequests(job);
  const nextUser = userPicker(job.spread);
  const startedAt = new Float64Array(job.inFlight);
  let isStopping = false;

  async function startStream(tags: readonly number[]): Promise<Load> {
    const finished = Promise.withResolvers<void>();
    let connection: Connection | undefined;
    let stream = 0;
    let underWay = tags.length;

    const onMessage = (message: Buffer) => {
      const { tag, applied } = readResult(message);
      if (applied) tally.answered(startedAt[tag]!, 1, 1);
      else tally.refused(undefined, 1);
      if (!isStopping) return next(tag);
      underWay -= 1;
      if (underWay === 0) connection!.send(stream, Buffer.alloc(0), true);
    };
    const next = (tag: number) => {
      startedAt[tag] = performance.now();
      connection!.send(stream, requests.apply(tag, nextUser()).message, false);
    };
    const readMessages = messageReader(onMessage);
    connection = await openConnection(job.url, {
      onData: (_stream, bytes) => readMessages(bytes),
      onEnd(_stream, status) {
        if (status === 0 && isStopping) finished.resolve();
        else finished.reject(new Error(`the stream ended with status ${status}`));
      },
      onTurn: () => connection?.flush(),
      onBroken: finished.reject,
    });
    for (const [index, tag] of tags.entries()) {
      if (index > 0) next(tag);
      else {
        startedAt[tag] = performance.now();
        const { path, message } = requests.apply(tag, nextUser());
        stream = connection.begin(path, message, false);
      }
    }
    connection.flush();
    return {
      async finish() {
        await finished.promise;
        connection.close();
      },
    };
  }

  const tags = Array.from({ length: job.inFlight }, (_, tag) => tag);
  const shares = Map.groupBy(tags, (tag) => tag % job.connections);
  const streams = await Promise.all([...shares.values()].map(startStream));
  return {
    async finish() {
      isStopping = true;
      await Promise.all(streams.map((stream) => stream.finish()));
    },
  };
}

/** Takes chunks of bytes, and hands over complete messages without their envelopes. */
function messageReader(onMessage: (message: Buffer) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (at + 5 <= bytes.length) {
      const end = at + 5 + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) break;
      onMessage(bytes.subarray(at + 5, end));
      at = end;
    }
    rest = Buffer.from(bytes.subarray(at));
  };
}
