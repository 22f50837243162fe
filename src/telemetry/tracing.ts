import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Code,
  ConnectError,
  type Interceptor,
  type StreamResponse,
} from "@connectrpc/connect";
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
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { codeName, untilEnd } from "./rpc-observer.ts";

/** Traces: spans of RPCs and of batches, connected by links. */
export type Tracing = {
  /** Makes a span for each RPC of PointsService and PolicyService, in the trace of its caller. */
  readonly interceptor: Interceptor;
  /** Notes that the RPC under way asked for this command. */
  asked(command: object): void;
  /** Runs a batch in a span with links to the RPCs that asked for its commands. */
  batch<T>(commands: readonly object[], run: () => Promise<T>): Promise<T>;
  /** Sends the spans that are left, for `STOP_MAX_MS` at most. */
  stop(): Promise<void>;
};

const STOP_MAX_MS = 3_000;
// Links of a batch to its RPCs. A busy batch has more than OpenTelemetry's default bound, 128.
const LINKS_MAX = 1_000;

/**
 * Tracing: starts sending spans by OTLP over HTTP, as JSON. OpenTelemetry's own variables say where
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
  // The span of the RPC under way, and the span of each command's RPC.
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

/**
 * Samples as the caller of an RPC decided; without such a decision, the share of all RPCs that
 * OTEL_TRACES_SAMPLER_ARG gives. A batch with a sampled RPC is sampled.
 */
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

const TRACED: ReadonlySet<string> = new Set([PointsService.typeName, PolicyService.typeName]);

function rpcSpans(tracer: Tracer, current: AsyncLocalStorage<Span>): Interceptor {
  const propagator = new W3CTraceContextPropagator();
  const getter = {
    keys: (headers: Headers) => [...headers.keys()],
    get: (headers: Headers, key: string) => headers.get(key) ?? undefined,
  };
  return (next) => async (request) => {
    const { service, method, header } = request;
    if (!TRACED.has(service.typeName)) return next(request);
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
      if (response.stream) {
        const messages = inSpan(response.message, span, current);
        return { ...response, message: untilEnd(messages, (code) => end(span, code)) };
      }
      end(span, undefined);
      return response;
    } catch (thrown) {
      end(span, ConnectError.from(thrown).code);
      throw thrown;
    }
  };
}

/** Runs a stream's handler in the span: it runs each time a message is asked for. */
async function* inSpan(
  stream: StreamResponse["message"],
  span: Span,
  current: AsyncLocalStorage<Span>,
): StreamResponse["message"] {
  const messages = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await current.run(span, () => messages.next());
      if (done === true) return;
      yield value;
    }
  } finally {
    await messages.return?.();
  }
}

function end(span: Span, code: Code | undefined): void {
  span.setAttribute("rpc.grpc.status_code", code ?? 0);
  const name = codeName(code);
  // Only faults of the server are errors of the span. Error messages may name a user: they stay out.
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
