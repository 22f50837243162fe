import { setTimeout as sleep } from "node:timers/promises";
import type { FileRegistry } from "@bufbuild/protobuf";
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";

// grpc.testing.TestService, which the interop clients of all gRPC libraries call. The types describe
// its messages, as far as they are used.

type Payload = { body: Uint8Array };
type Asked = { responseStatus?: { code: number; message: string }; payload?: Payload };
type SimpleRequest = Asked & { responseSize: number; fillServerId: boolean };
type StreamingRequest = Asked & {
  responseParameters: { size: number; intervalUs: number }[];
};

/** Routes of that service. @param registry contains its descriptors */
export function testServiceRoutes(registry: FileRegistry): (router: ConnectRouter) => void {
  const service = registry.getService("grpc.testing.TestService")!;
  const implementation = {
    emptyCall: () => ({}),
    unaryCall(request: SimpleRequest, context: HandlerContext) {
      echoMetadata(context);
      throwIfAsked(request);
      const { responseSize, fillServerId } = request;
      return { ...payload(responseSize), ...(fillServerId && { serverId: "points" }) };
    },
    streamingOutputCall: answers,
    async streamingInputCall(requests: AsyncIterable<Asked>) {
      let aggregatedPayloadSize = 0;
      for await (const request of requests) {
        aggregatedPayloadSize += request.payload?.body.length ?? 0;
      }
      return { aggregatedPayloadSize };
    },
    async *fullDuplexCall(requests: AsyncIterable<StreamingRequest>, context: HandlerContext) {
      echoMetadata(context);
      for await (const request of requests) {
        throwIfAsked(request);
        yield* answers(request, context);
      }
    },
  };
  // Descriptors read at run time have no types for their messages.
  return (router) => void router.service(service, implementation as never);
}

async function* answers({ responseParameters }: StreamingRequest, { signal }: HandlerContext) {
  for (const { size, intervalUs } of responseParameters) {
    if (intervalUs > 0) await sleep(intervalUs / 1000, undefined, { signal });
    yield payload(size);
  }
}

function payload(size: number) {
  return { payload: { body: new Uint8Array(size) } };
}

function throwIfAsked({ responseStatus }: Asked): void {
  const { code = 0, message } = responseStatus ?? {};
  if (code !== 0) throw new ConnectError(message!, code);
}

function echoMetadata({ requestHeader, responseHeader, responseTrailer }: HandlerContext): void {
  for (const [name, into] of [
    ["x-grpc-test-echo-initial", responseHeader],
    ["x-grpc-test-echo-trailing-bin", responseTrailer],
  ] as const) {
    const value = requestHeader.get(name);
    if (value !== null) into.set(name, value);
  }
}
