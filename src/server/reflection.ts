import { toBinary, type DescFile, type DescService } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import {
  FileDescriptorProtoSchema,
  type DescriptorProto,
  type EnumDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import * as v1 from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import * as v1alpha from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { createPause } from "../rpc/pause.ts";

type Request = v1.ServerReflectionRequest | v1alpha.ServerReflectionRequest;
type Index = ReturnType<typeof indexOf>;

/**
 * Server reflection, v1 and v1alpha: describes `services`, its own two services, and `moreFiles`,
 * which no service names (such as the details of errors).
 *
 * It answers as grpc-go does. A file comes with its transitive dependencies, without those that the
 * same stream was sent before. An unknown name gets an ErrorResponse with code NOT_FOUND, and the
 * stream goes on. A request without a question ends the stream with INVALID_ARGUMENT.
 */
export function reflectionRoutes(
  services: readonly DescService[],
  moreFiles: readonly DescFile[] = [],
): (router: ConnectRouter) => void {
  const all = [...services, v1.ServerReflection, v1alpha.ServerReflection];
  const index = indexOf(all, moreFiles);
  return (router) => {
    router.service(v1.ServerReflection, {
      serverReflectionInfo: (requests) => answers(index, requests),
    });
    router.service(v1alpha.ServerReflection, {
      serverReflectionInfo: (requests) => answers(index, requests),
    });
  };
}

// Generic: each version gets its own type of request back as original_request.
async function* answers<R extends Request>(index: Index, requests: AsyncIterable<R>) {
  const sent = new Set<string>();
  const pause = createPause();
  for await (const request of requests) {
    await pause();
    yield {
      validHost: request.host,
      originalRequest: request,
      messageResponse: answer(index, request.messageRequest, sent),
    };
  }
}

function answer(index: Index, asked: Request["messageRequest"], sent: Set<string>) {
  switch (asked.case) {
    case "listServices":
      return { case: "listServicesResponse" as const, value: { service: index.services } };
    case "fileByFilename":
      return fileAnswer(index.files.get(asked.value), asked.value, sent);
    case "fileContainingSymbol":
      return fileAnswer(index.symbols.get(asked.value), asked.value, sent);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      const file = index.extensions.get(containingType)?.get(extensionNumber);
      return fileAnswer(file, `extension ${extensionNumber} of ${containingType}`, sent);
    }
    case "allExtensionNumbersOfType": {
      const numbers = index.extensions.get(asked.value)?.keys() ?? [];
      // grpc-go takes the name of anything here, and answers with an empty list if it is no message.
      if (!index.symbols.has(asked.value)) return notFound(asked.value);
      const value = {
        baseTypeName: asked.value,
        extensionNumber: [...numbers].toSorted((a, b) => a - b),
      };
      return { case: "allExtensionNumbersResponse" as const, value };
    }
    case undefined:
      throw new ConnectError("the request asks nothing", Code.InvalidArgument);
  }
}

function fileAnswer(file: DescFile | undefined, asked: string, sent: Set<string>) {
  if (file === undefined) return notFound(asked);
  const fileDescriptorProto = withDependencies(file)
    .filter(({ name }) => name === file.name || !sent.has(name))
    .map(encoded);
  for (const { name } of withDependencies(file)) sent.add(name);
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } };
}

const ENCODED = new WeakMap<DescFile, Uint8Array>();

/** Encodes each file once: encoding is a hundred times the work of the rest of an answer. */
function encoded(file: DescFile): Uint8Array {
  const known = ENCODED.get(file) ?? toBinary(FileDescriptorProtoSchema, file.proto);
  ENCODED.set(file, known);
  return known;
}

function notFound(asked: string) {
  const value = { errorCode: Code.NotFound, errorMessage: `not found: ${asked}` };
  return { case: "errorResponse" as const, value };
}

/** The files of `services`, `moreFiles` and all their imports, by each name that can be asked for. */
function indexOf(services: readonly DescService[], moreFiles: readonly DescFile[]) {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  const extensions = new Map<string, Map<number, DescFile>>();
  const roots = [...services.map((service) => service.file), ...moreFiles];
  for (const file of roots.flatMap(withDependencies)) {
    if (files.has(file.proto.name)) continue;
    files.set(file.proto.name, file);
    for (const symbol of symbolsOf(file)) symbols.set(symbol, file);
    for (const type of nestedTypes(file)) {
      if (type.kind !== "extension") continue;
      const ofType = extensions.get(type.extendee.typeName) ?? new Map<number, DescFile>();
      extensions.set(type.extendee.typeName, ofType.set(type.number, file));
    }
  }
  const names = [...new Set(services.map((service) => service.typeName))].toSorted();
  return { files, symbols, extensions, services: names.map((name) => ({ name })) };
}

function withDependencies(file: DescFile): DescFile[] {
  const found = new Map([[file.name, file]]);
  // A Map's iteration visits entries that are added on the way: the map is the queue as well.
  for (const each of found.values()) {
    for (const next of each.dependencies) if (!found.has(next.name)) found.set(next.name, next);
  }
  return [...found.values()];
}

/**
 * The full names of all that a file declares, except packages. They are read from the
 * FileDescriptorProto: the Desc types leave out synthetic oneofs and the entries of maps.
 */
function* symbolsOf({ proto }: DescFile): Generator<string> {
  const scope = proto.package === "" ? "" : `${proto.package}.`;
  for (const message of proto.messageType) yield* symbolsOfMessage(scope, message);
  for (const type of proto.enumType) yield* symbolsOfEnum(scope, type);
  for (const extension of proto.extension) yield scope + extension.name;
  for (const service of proto.service) {
    yield scope + service.name;
    for (const method of service.method) yield `${scope}${service.name}.${method.name}`;
  }
}

function* symbolsOfMessage(outer: string, message: DescriptorProto): Generator<string> {
  const scope = `${outer}${message.name}.`;
  yield outer + message.name;
  for (const nested of message.nestedType) yield* symbolsOfMessage(scope, nested);
  for (const type of message.enumType) yield* symbolsOfEnum(scope, type);
  for (const { name } of [...message.field, ...message.oneofDecl, ...message.extension]) {
    yield scope + name;
  }
}

/** As in C++, values are siblings of their enum: their names do not include the enum's. */
function* symbolsOfEnum(scope: string, type: EnumDescriptorProto): Generator<string> {
  yield scope + type.name;
  for (const value of type.value) yield scope + value.name;
}
