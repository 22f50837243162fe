import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import type { ApplyRequestSchema, PointsService } from "../../gen/points/v1/points_pb.ts";
import { readRefusal, type Refusal } from "./error-info.ts";
import { points } from "./requests.ts";

/** A stream of operations that a test writes and reads step by step. */
export type OpenApply = {
  write(request: MessageInitShape<typeof ApplyRequestSchema>): Promise<void>;
  /** The next result, as "tag: consume" or "tag: error 7". */
  next(): Promise<string>;
  /** The remaining results, and the stream's error; undefined if it succeeded. */
  end(): Promise<{ readonly results: string[]; readonly refusal: Refusal | undefined }>;
};

/** Opens a stream. Nothing ends it but the test or the server. */
export function openApply(client: Client<typeof PointsService>): OpenApply {
  const requests = createWritableIterable<MessageInitShape<typeof ApplyRequestSchema>>();
  const results = client.apply(requests)[Symbol.asyncIterator]();
  async function next(): Promise<string | undefined> {
    const { done, value } = await results.next();
    if (done === true) return undefined;
    const outcome = value.result?.result;
    const code = outcome?.case === "error" ? ` ${outcome.value.code}` : "";
    return `${value.tag}: ${outcome?.case}${code}`;
  }
  return {
    write: (request) => requests.write(request),
    async next() {
      const label = await next();
      if (label === undefined) throw new Error("the stream has ended");
      return label;
    },
    async end() {
      const all: string[] = [];
      try {
        for (let label = await next(); label !== undefined; label = await next()) all.push(label);
      } catch (thrown) {
        return { results: all, refusal: readRefusal(thrown) };
      }
      return { results: all, refusal: undefined };
    },
  };
}

/** An operation that spends a point. */
export function spend(userId: string, tag = ""): MessageInitShape<typeof ApplyRequestSchema> {
  return {
    tag,
    operation: { operation: { case: "consume", value: { userId, cost: points(1n) } } },
  };
}

/** An operation that recharges a point. */
export function grant(userId: string, tag = ""): MessageInitShape<typeof ApplyRequestSchema> {
  return { tag, operation: { operation: { case: "recharge", value: { userId, points: 1n } } } };
}
