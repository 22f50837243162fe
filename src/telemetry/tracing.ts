import { AsyncLocalStorage } from "node:async_hooks";
import type { Code, Interceptor, StreamResponse } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";
import {
  diag,
  DiagLogLevel,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
} from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Logger } from "pino";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { codeName } from "./rpc-observer.ts";

/** Spans of RPCs and of batches, which know of each other by links. */
export type Tracing = {
  /** A span for each RPC of PointsService, in the trace of its caller. */
  readonly interceptor: Interceptor;
  /** Remembers that the RPC under way asked for this command. */
  asked(command: object): void;
  /** Runs a batch in a span that is linked to the RPCs which asked for its commands. */
  batch<T>(commands: readonly object[], run: () => Promise<T>): Promise<T>;
  /** Sends what is left, for a few seconds at most. */
  stop(): Promise<void>;
};

const STOP_MAX_MS = 3_000;
// Of a batch, to its RPCs. OpenTelemetry's own bound, 128, is less than a busy batch has.
const LINKS_MAX = 1_000;

/**
 * Starts sending traces by OTLP over HTTP, as JSON, where OpenTelemetry's own variables say
 * (OTEL_EXPORTER_OTLP_ENDPOINT and its kin, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES). Spans
 * hold methods, codes and numbers of operations: no user ids, no SQL, no values.
 */
export function startTracing(environment: NodeJS.ProcessEnv, log: Logger): Tracing {
  const report = (message: string) => log.warn({ message }, "traces are not sent");
  const quiet = { info() {}, debug() {}, verbose() {} };
  diag.setLogger({ ...quiet, error: report, warn: report }, DiagLogLevel.WARN);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": "points" }).merge(
      detectResources({ detectors: [envDetector] }),
    ),
    sampler: samplerOf(environment),
    spanLimits: { linkCountLimit: LINKS_MAX },
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  const tracer = provider.getTracer("points");
  // The RPC under way, and whose command is whose.
  const current = new AsyncLocalStorage<Span>();
  const askers = new WeakMap<object, Span>();
  return {
    interceptor: rpcSpans(tracer, current),
    asked(command) {
      const span = current.getStore();
      if (span?.isRecording()) askers.set(command, span);
    },
    batch(commands, run) {
      const rpcs = new Set(commands.flatMap((command) => askers.get(command) ?? []));
      return rpcs.size === 0 ? run() : inBatchSpan(tracer, [...rpcs], commands.length, run);
    },
    async stop() {
      const late = AbortSignal.timeout(STOP_MAX_MS);
      const sent = provider.shutdown().catch((error: unknown) => report(String(error)));
      await Promise.race([sent, new Promise((done) => late.addEventListener("abort", done))]);
    },
  };
}

/** As the caller decided; without one, OTEL_TRACES_SAMPLER_ARG of all. A batch follows its RPCs. */
function samplerOf(environment: NodeJS.ProcessEnv): Sampler {
  const share = new TraceIdRatioBasedSampler(Number(environment["OTEL_TRACES_SAMPLER_ARG"] ?? 1));
  const always = new AlwaysOnSampler();
  const root: Sampler = {
    shouldSample(context, traceId, _name, _kind, _attributes, links) {
      return links.length > 0 ? always.shouldSample() : share.shouldSample(context, traceId);
    },
    toString: () => "points",
  };
  return new ParentBasedSampler({ root });
}

function rpcSpans(tracer: Tracer, current: AsyncLocalStorage<Span>): Interceptor {
  const propagator = new W3CTraceContextPropagator();
  const getter = {
    keys: (headers: Headers) => [...headers.keys()],
    get: (headers: Headers, key: string) => headers.get(key) ?? undefined,
  };
  return (next) => async (request) => {
    const { service, method, header } = request;
    if (service.typeName !== PointsService.typeName) return next(request);
    const parent = propagator.extract(ROOT_CONTEXT, header, getter);
    const attributes = {
      "rpc.system": "grpc",
      "rpc.service": service.typeName,
      "rpc.method": method.name,
    };
    const name = `${service.typeName}/${method.name}`;
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
    try {
      const response = await current.run(span, () => next(request));
      if (response.stream) return { ...response, message: untilEnd(response, span, current) };
      end(span, undefined);
      return response;
    } catch (thrown) {
      end(span, ConnectError.from(thrown).code);
      throw thrown;
    }
  };
}

/** The handler of a stream runs when its messages are asked for. */
async function* untilEnd(
  { message }: StreamResponse,
  span: Span,
  current: AsyncLocalStorage<Span>,
): StreamResponse["message"] {
  const messages = message[Symbol.asyncIterator]();
  let code: Code | undefined;
  try {
    for (;;) {
      const { done, value } = await current.run(span, () => messages.next());
      if (done === true) return;
      yield value;
    }
  } catch (thrown) {
    ({ code } = ConnectError.from(thrown));
    throw thrown;
  } finally {
    await messages.return?.();
    end(span, code);
  }
}

function end(span: Span, code: Code | undefined): void {
  span.setAttribute("rpc.grpc.status_code", code ?? 0);
  const name = codeName(code);
  // What is wrong with us, and not with the request. Messages may name a user.
  if (OURS.has(name)) span.setStatus({ code: SpanStatusCode.ERROR, message: name });
  span.end();
}

const OURS = new Set([
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

async function inBatchSpan<T>(
  tracer: Tracer,
  rpcs: readonly Span[],
  operations: number,
  run: () => Promise<T>,
): Promise<T> {
  const links = rpcs.map((rpc): Link => ({ context: rpc.spanContext() }));
  const attributes = { "points.batch.operations": operations };
  const span = tracer.startSpan("batch", { root: true, links, attributes });
  for (const rpc of rpcs) rpc.addLink({ context: span.spanContext() });
  try {
    return await run();
  } finally {
    span.end();
  }
}
