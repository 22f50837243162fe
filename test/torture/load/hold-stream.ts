import type { MessageShape } from "@bufbuild/protobuf";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import type { ApplyRequestSchema } from "../../../gen/points/v1/points_pb.ts";
import type { Points } from "../deployment/targets.ts";

/**
 * Opens a stream, stays idle on it, and resolves when the server ends it.
 *
 * @throws the error that ends the stream
 */
export async function holdStream(
  points: Points,
  kind: "a watch" | "a stream of entries" | "an idle stream",
  userId: string,
  signal: AbortSignal,
): Promise<void> {
  if (kind === "a watch") return drained(points.watchAccount({ userId }, { signal }));
  if (kind === "a stream of entries") {
    return drained(points.streamEntries({ userIdPrefix: userId }, { signal }));
  }
  const nothing = createWritableIterable<MessageShape<typeof ApplyRequestSchema>>();
  try {
    await drained(points.apply(nothing, { signal }));
  } finally {
    nothing.close();
  }
}

async function drained(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}
