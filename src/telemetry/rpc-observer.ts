import {
  type Code,
  ConnectError,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
} from "@connectrpc/connect";
import { CodeSchema } from "../../gen/google/rpc/code_pb.ts";

/** A call that has been answered. */
export type Call = {
  readonly request: UnaryRequest | StreamRequest;
  /** Undefined: it succeeded. */
  readonly code: Code | undefined;
  readonly ms: number;
};

export type CallObserver = (call: Call) => void;

/**
 * Tells of each call at its end, a stream's when its last message is out. As the outermost
 * interceptor it sees what callers see; both ways of answering unary calls go through it.
 */
export function callObservation(observe: CallObserver): Interceptor {
  return (next) => async (request) => {
    const started = performance.now();
    const end = (code: Code | undefined) =>
      observe({ request, code, ms: performance.now() - started });
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: untilEnd(response, end) };
      end(undefined);
      return response;
    } catch (thrown) {
      end(ConnectError.from(thrown).code);
      throw thrown;
    }
  };
}

/** As gRPC spells it, "OK" for none. */
export function codeName(code: Code | undefined): string {
  return CodeSchema.value[code ?? 0]?.name ?? "UNKNOWN";
}

async function* untilEnd(
  { message }: StreamResponse,
  end: (code: Code | undefined) => void,
): StreamResponse["message"] {
  let code: Code | undefined;
  try {
    yield* message;
  } catch (thrown) {
    ({ code } = ConnectError.from(thrown));
    throw thrown;
  } finally {
    end(code);
  }
}
