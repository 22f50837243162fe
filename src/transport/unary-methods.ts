import { create, type Message } from "@bufbuild/protobuf";
import type { Interceptor, MethodImplSpec } from "@connectrpc/connect";
import {
  createAsyncIterable,
  createMethodSerializationLookup,
  pipe,
  type Serialization,
  transformDecompressEnvelope,
  transformInvokeImplementation,
  transformParseEnvelope,
  transformSplitEnvelope,
} from "@connectrpc/connect/protocol";
import type { RpcOptions } from "./connect-handler.ts";
import { HEAD_BYTES, isOneMessage } from "./grpc-frame.ts";
import { methodsOf } from "./routes.ts";
import { UnaryAnswer, UnaryCall } from "./unary-call.ts";

/** A unary method, ready for the fast path. */
export type UnaryMethod = {
  readonly spec: UnarySpec;
  readonly desc: UnarySpec["method"];
  /** The handler with the interceptors around it. */
  readonly invoke: Parameters<Interceptor>[0];
  readonly input: Serialization<Message>;
  readonly output: Serialization<Message>;
  /** Of a request. */
  readonly maxBytes: number;
  readonly options: RpcOptions;
};

type UnarySpec = MethodImplSpec & { readonly kind: "unary" };

/** The unary methods of an API, by path. */
export function unaryMethods(options: RpcOptions): ReadonlyMap<string, UnaryMethod> {
  const specs = methodsOf(options.routes).filter((spec) => spec.kind === "unary");
  return new Map(
    specs.map((spec) => {
      const { name, parent } = spec.method;
      return [`/${parent.typeName}/${name}`, unaryMethod(spec, options)];
    }),
  );
}

function unaryMethod(spec: UnarySpec, options: RpcOptions): UnaryMethod {
  const maxBytes = options.requestLimit(spec.method);
  const limits = { readMaxBytes: maxBytes, writeMaxBytes: options.writeMaxBytes };
  const messages = createMethodSerializationLookup(spec.method, undefined, undefined, limits);
  const [input, output] = [messages.getI(true), messages.getO(true)];
  // Once a method: once a call would make a closure and its context for each call.
  const invoke = options.interceptors.reduceRight(
    (inner, interceptor) => interceptor(inner),
    handlerOf(spec),
  );
  return { spec, desc: spec.method, invoke, input, output, maxBytes, options };
}

function handlerOf(spec: UnarySpec): UnaryMethod["invoke"] {
  return async (request) => {
    if (!(request instanceof UnaryCall)) throw new Error("an interceptor replaced a unary call");
    const answered = await spec.impl(request.message, request);
    return new UnaryAnswer(request, create(spec.method.output, answered));
  };
}

/**
 * Runs a call: parses the body, and calls the interceptors and the handler.
 *
 * @throws at once, or by its promise, the error that the call is answered with
 */
export function runMethod(
  method: UnaryMethod,
  call: UnaryCall,
  body: Buffer,
): Promise<{ readonly message: unknown }> {
  if (!isOneMessage(body)) return runWithAny(method, call, body);
  call.message = method.input.parse(body.subarray(HEAD_BYTES));
  return method.invoke(call);
}

/** Runs a call whose body is not one plain message: Connect reads it, and says what is wrong. */
async function runWithAny(
  { spec, input, maxBytes, options }: UnaryMethod,
  call: UnaryCall,
  body: Buffer,
): Promise<{ readonly message: unknown }> {
  const messages = pipe(
    createAsyncIterable([body]),
    transformSplitEnvelope(maxBytes),
    transformDecompressEnvelope(null, maxBytes),
    transformParseEnvelope(input),
  );
  const answers = transformInvokeImplementation(spec, call, options.interceptors)(messages);
  return { message: (await answers[Symbol.asyncIterator]().next()).value };
}
