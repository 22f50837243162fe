import { setTimeout as sleep } from "node:timers/promises";
import { type DescMessage, type FileRegistry, fromBinary, type Message } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import {
  type Code,
  ConnectError,
  type ConnectRouter,
  type HandlerContext,
} from "@connectrpc/connect";
import { UNNAMED_DEADLINE_MS } from "../support/mount.ts";

// connectrpc.conformance.v1.ConformanceService: each request contains the answer to give, and the
// answer echoes the request as it arrived. The types describe its messages, as far as they are used.

type Header = { name: string; value: string[] };
type Failure = { code: Code; message?: string; details: Any[] };
type Definition = {
  responseHeaders: Header[];
  responseTrailers: Header[];
  responseDelayMs: number;
};
type UnaryDefinition = Definition & {
  response:
    | { case: "responseData"; value: Uint8Array }
    | { case: "error"; value: Failure }
    | { case: undefined };
};
type StreamDefinition = Definition & { responseData: Uint8Array[]; error?: Failure };
type UnaryRequest = Message & { responseDefinition?: UnaryDefinition };
type StreamRequest = Message & { responseDefinition?: StreamDefinition; fullDuplex?: boolean };
type RequestInfo = ReturnType<ReturnType<typeof createTelling>>;
type Payload = { payload: { data?: Uint8Array; requestInfo?: RequestInfo } };

/** Routes of that service. @param registry contains its descriptors */
export function conformanceRoutes(registry: FileRegistry): (router: ConnectRouter) => void {
  const service = registry.getService("connectrpc.conformance.v1.ConformanceService")!;
  const tell = createTelling(registry);
  const fail = createFailing(registry);

  const unary = async (requests: UnaryRequest[], context: HandlerContext): Promise<Payload> => {
    const definition = requests[0]?.responseDefinition;
    const requestInfo = tell(context, requests);
    if (definition === undefined) return { payload: { requestInfo } };
    const { response, responseDelayMs } = definition;
    writeHeaders(definition, context);
    await waited(responseDelayMs, context);
    if (response.case === "error") throw fail(response.value, requestInfo);
    const data = response.case === "responseData" ? response.value : new Uint8Array();
    return { payload: { data, requestInfo } };
  };
  const single = (request: UnaryRequest, context: HandlerContext) => unary([request], context);

  async function* stream(requests: AsyncIterable<StreamRequest>, context: HandlerContext) {
    let definition: StreamDefinition | undefined;
    let isDuplex = false;
    let received: StreamRequest[] = [];
    let sent = 0;
    const next = async (data: Uint8Array): Promise<Payload> => {
      await waited(definition!.responseDelayMs, context);
      const isTelling = sent === 0 || isDuplex;
      const requestInfo = isTelling ? tell(sent === 0 ? context : undefined, received) : undefined;
      received = [];
      sent += 1;
      return { payload: { data, ...(requestInfo && { requestInfo }) } };
    };
    let isFirst = true;
    for await (const request of requests) {
      received.push(request);
      if (isFirst) {
        definition = request.responseDefinition;
        isDuplex = request.fullDuplex ?? false;
        if (definition !== undefined) writeHeaders(definition, context);
      }
      isFirst = false;
      if (!isDuplex) continue;
      const data = definition?.responseData[sent];
      if (data === undefined) break;
      yield await next(data);
    }
    for (const data of definition?.responseData.slice(sent) ?? []) yield await next(data);
    if (definition?.error !== undefined) {
      throw fail(definition.error, sent === 0 ? tell(context, received) : undefined);
    }
  }

  const methods = {
    unary: single,
    idempotentUnary: single,
    async clientStream(requests: AsyncIterable<UnaryRequest>, context: HandlerContext) {
      const all: UnaryRequest[] = [];
      for await (const request of requests) all.push(request);
      return unary(all, context);
    },
    serverStream: (request: StreamRequest, context: HandlerContext) =>
      stream(once(request), context),
    bidiStream: stream,
  };
  // Descriptors read at run time have no types for their messages.
  return (router) => void router.service(service, methods as never);
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value;
}

function writeHeaders(
  { responseHeaders, responseTrailers }: Definition,
  context: HandlerContext,
): void {
  for (const [headers, into] of [
    [responseHeaders, context.responseHeader],
    [responseTrailers, context.responseTrailer],
  ] as const) {
    for (const { name, value } of headers) for (const each of value) into.append(name, each);
  }
}

async function waited(ms: number, { signal }: HandlerContext): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}

/** Makes the echo of requests, and of their call if it is given. */
function createTelling(registry: FileRegistry) {
  return (context: HandlerContext | undefined, requests: readonly Message[]) => ({
    requests: requests.map((request) => anyPack(schemaOf(registry, request.$typeName), request)),
    ...(context && callInfo(context)),
  });
}

function callInfo(context: HandlerContext) {
  const { requestHeader, requestMethod, url } = context;
  const leftMs = context.timeoutMs();
  const isNamed = leftMs !== undefined && leftMs < UNNAMED_DEADLINE_MS / 2;
  const queryParams = headersOf(new URL(url).searchParams);
  return {
    requestHeaders: headersOf(requestHeader),
    ...(isNamed && { timeoutMs: BigInt(leftMs) }),
    ...(requestMethod === "GET" && { connectGetInfo: { queryParams } }),
  };
}

function headersOf(entries: Iterable<[string, string]>): Header[] {
  return [...entries].map(([name, value]) => ({ name, value: [value] }));
}

/** Makes the error that a request asks for; its last detail echoes the request. */
function createFailing(registry: FileRegistry) {
  const schema = schemaOf(registry, "connectrpc.conformance.v1.ConformancePayload.RequestInfo");
  return ({ code, message = "", details }: Failure, requestInfo?: RequestInfo): ConnectError => {
    const asked = details.map(({ typeUrl, value }) => {
      const desc = schemaOf(registry, typeUrl.slice(typeUrl.lastIndexOf("/") + 1));
      return { desc, value: fromBinary(desc, value) };
    });
    const own = requestInfo === undefined ? [] : [{ desc: schema, value: requestInfo }];
    return new ConnectError(message, code, undefined, [...asked, ...(own as never[])]);
  };
}

function schemaOf(registry: FileRegistry, typeName: string): DescMessage {
  const schema = registry.getMessage(typeName);
  if (schema === undefined) throw new Error(`no message ${typeName}`);
  return schema;
}
