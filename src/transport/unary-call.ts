import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { DescMethodUnary, Message } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextValues,
  type HandlerContext,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { type Caller, callerKey } from "../auth/caller.ts";
import { PREVIOUS_ATTEMPTS } from "../rpc/earlier-attempts.ts";
import { authorityInUrl } from "./authority.ts";
import { timedOut } from "./deadline.ts";

export type UnaryCallParts = {
  readonly method: DescMethodUnary;
  readonly caller: Caller;
  /** As `performance.now()` counts. */
  readonly deadline: number;
};

/**
 * A unary gRPC call on the fast path, in the form that Connect shows to interceptors and handlers.
 * Costly parts are made on demand: few handlers ask for headers, and reads ask for no signal.
 */
export class UnaryCall implements UnaryRequest, HandlerContext {
  readonly stream = false;
  readonly method: DescMethodUnary;
  readonly protocolName = "grpc";
  readonly requestMethod = "POST";
  /** Set when the body has arrived. */
  message!: Message;
  readonly #http: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #caller: Caller;
  readonly #deadline: number;
  #watch: ReturnType<typeof watchCaller> | undefined;
  #requestHeader: Headers | undefined;
  #header: Headers | undefined;
  #trailer: Headers | undefined;
  #values: ContextValues | undefined;

  constructor(
    http: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    { method, caller, deadline }: UnaryCallParts,
  ) {
    this.#http = http;
    this.#headers = headers;
    this.method = method;
    this.#caller = caller;
    this.#deadline = deadline;
  }

  get service() {
    return this.method.parent;
  }

  get url() {
    const { ":path": path = "", ":authority": authority = "" } = this.#headers;
    return new URL(path, `http://${authorityInUrl(authority)}`).toString();
  }

  get signal() {
    return (this.#watch ??= watchCaller(this.#http, this.#deadline)).signal;
  }

  get requestHeader() {
    return (this.#requestHeader ??= webHeaders(this.#headers));
  }

  get header() {
    return this.requestHeader;
  }

  get responseHeader() {
    return (this.#header ??= new Headers());
  }

  get responseTrailer() {
    return (this.#trailer ??= new Headers());
  }

  get values() {
    return (this.#values ??= contextValues().set(callerKey, this.#caller));
  }

  get contextValues() {
    return this.values;
  }

  timeoutMs() {
    return Math.floor(this.#deadline - performance.now());
  }

  /** The header of that name, without making all headers. */
  get previousAttempts() {
    return this.#headers[PREVIOUS_ATTEMPTS];
  }

  /** Headers and trailers that the handler wrote; undefined if it never asked for them. */
  written() {
    return { header: this.#header, trailer: this.#trailer };
  }

  /** Stops watching the caller. */
  end() {
    this.#watch?.end();
  }
}

/** The answer to a unary call as interceptors see it. */
export class UnaryAnswer implements UnaryResponse {
  readonly stream = false;
  readonly message: Message;
  readonly #call: UnaryCall;

  constructor(call: UnaryCall, message: Message) {
    this.#call = call;
    this.message = message;
  }

  get service() {
    return this.#call.service;
  }

  get method() {
    return this.#call.method;
  }

  get header() {
    return this.#call.responseHeader;
  }

  get trailer() {
    return this.#call.responseTrailer;
  }
}

// Its methods use `this`, so that all calls can inherit one set of them.
const NO_VALUES = createContextValues();

function contextValues(): ContextValues {
  return Object.create(NO_VALUES) as ContextValues;
}

/** A signal that fires when the deadline passes or the stream closes, whichever is first. */
function watchCaller(
  stream: ServerHttp2Stream,
  deadline: number,
): { readonly signal: AbortSignal; readonly end: () => void } {
  const controller = new AbortController();
  const late = () => controller.abort(timedOut());
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
