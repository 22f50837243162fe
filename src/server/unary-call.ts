import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { DescMethodUnary, Message } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextValues,
  type HandlerContext,
  type UnaryRequest,
} from "@connectrpc/connect";

/** Both what interceptors see of a call and what its handler sees; `message` comes with the body. */
export type UnaryCall = Omit<UnaryRequest, "message"> &
  HandlerContext & {
    message: Message | undefined;
    /** What the handler wrote; undefined if it never asked for them. */
    readonly written: () => { header: Headers | undefined; trailer: Headers | undefined };
    /** Stops watching the caller. */
    readonly end: () => void;
  };

/**
 * A call as Connect shows it, but what is dear about it is made when it is asked for: few handlers
 * ask for headers, and those that only read ask for no signal.
 *
 * @param deadline as `performance.now()` counts
 */
export function unaryCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  method: DescMethodUnary,
  deadline: number,
): UnaryCall {
  let watch: ReturnType<typeof watchCaller> | undefined;
  let requestHeader: Headers | undefined;
  let header: Headers | undefined;
  let trailer: Headers | undefined;
  let values: ContextValues | undefined;
  return {
    stream: false,
    message: undefined,
    method,
    service: method.parent,
    protocolName: "grpc",
    requestMethod: "POST",
    timeoutMs: () => deadline - performance.now(),
    end: () => watch?.end(),
    written: () => ({ header, trailer }),
    get responseHeader() {
      return (header ??= new Headers());
    },
    get responseTrailer() {
      return (trailer ??= new Headers());
    },
    get url() {
      return new URL(headers[":path"] ?? "", `http://${headers[":authority"]}`).toString();
    },
    get signal() {
      return (watch ??= watchCaller(stream, deadline)).signal;
    },
    get requestHeader() {
      return (requestHeader ??= webHeaders(headers));
    },
    get header() {
      return this.requestHeader;
    },
    get values() {
      return (values ??= createContextValues());
    },
    get contextValues() {
      return this.values;
    },
  };
}

/** A signal that fires when the deadline passes or the stream closes, whichever is first. */
function watchCaller(
  stream: ServerHttp2Stream,
  deadline: number,
): { readonly signal: AbortSignal; readonly end: () => void } {
  const controller = new AbortController();
  const late = () =>
    controller.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  const gone = () => controller.abort(new ConnectError("the caller went away", Code.Canceled));
  const leftMs = deadline - performance.now();
  if (leftMs <= 0) late();
  if (stream.destroyed) gone();
  const timer = setTimeout(late, Math.max(leftMs, 1));
  stream.on("close", gone);
  const end = () => {
    clearTimeout(timer);
    stream.off("close", gone);
  };
  return { signal: controller.signal, end };
}

function webHeaders(headers: IncomingHttpHeaders): Headers {
  const found = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const each of [value].flat()) found.append(name, each);
  }
  return found;
}
