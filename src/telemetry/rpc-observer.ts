import {
  type Code,
  ConnectError,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
} from "@connectrpc/connect";
import { CodeSchema } from "../../gen/google/rpc/code_pb.ts";

/** An RPC that has been answered. */
export type ObservedRpc = {
  readonly request: UnaryRequest | StreamRequest;
  /** Undefined: it succeeded. */
  readonly code: Code | undefined;
  readonly ms: number;
};

export type RpcObserver = (rpc: ObservedRpc) => void;

/**
 * RPC observer: an interceptor that reports each RPC at its end; a stream ends with its last
 * message. As the outermost interceptor it sees the code that the caller gets. Connect's adapter
 * and the fast path both run it.
 */
export function rpcObservation(observe: RpcObserver): Interceptor {
  return (next) => async (request) => {
    const started = performance.now();
    const end = (code: Code | undefined) =>
      observe({ request, code, ms: performance.now() - started });
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: untilEnd(response.message, end) };
      end(undefined);
      return response;
    } catch (thrown) {
      end(ConnectError.from(thrown).code);
      throw thrown;
    }
  };
}

/** The code's name in gRPC; undefined is "OK". */
export function codeName(code: Code | undefined): string {
  return CodeSchema.value[code ?? 0]?.name ?? "UNKNOWN";
}

/** The same messages; at their end, or the caller's, `end` gets the code. */
export async function* untilEnd(
  messages: StreamResponse["message"],
  end: (code: Code | undefined) => void,
): StreamResponse["message"] {
  let code: Code | undefined;
  try {
    yield* messages;
  } catch (thrown) {
    ({ code } = ConnectError.from(thrown));
    throw thrown;
  } finally {
    end(code);
  }
}
