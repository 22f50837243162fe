import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { promisify } from "node:util";
import {
  create,
  createFileRegistry,
  fromBinary,
  type DescFile,
  type DescService,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type FileDescriptorSet,
} from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import * as v1 from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import * as v1alpha from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { readConfig } from "../../src/config/environment.ts";
import { createHealth } from "../../src/server/health.ts";
import { reflectionRoutes } from "../../src/server/reflection.ts";
import { listenLimits } from "../../src/transport/listen-limits.ts";
import { listen, type Listener } from "../../src/transport/listen.ts";
import { testServer } from "../support/server.ts";

/** A file with all kinds of declarations, which imports another that imports a third. */
const odd = serviceOf(
  create(FileDescriptorSetSchema, {
    file: [
      { name: "base.proto", syntax: "proto2", messageType: [{ name: "Base" }] },
      {
        name: "extendee.proto",
        package: "odd",
        syntax: "proto2",
        dependency: ["base.proto"],
        messageType: [{ name: "Open", extensionRange: [{ start: 100, end: 200 }] }],
      },
      {
        name: "odd.proto",
        package: "odd",
        syntax: "proto2",
        dependency: ["extendee.proto"],
        extension: [{ name: "late", number: 150, label: 1, type: 5, extendee: ".odd.Open" }],
        enumType: [{ name: "Top", value: [{ name: "TOP_ZERO", number: 0 }] }],
        messageType: [
          {
            name: "Outer",
            field: [{ name: "chosen", number: 1, label: 1, type: 5, oneofIndex: 0 }],
            oneofDecl: [{ name: "choice" }],
            extension: [{ name: "early", number: 101, label: 1, type: 5, extendee: ".odd.Open" }],
            nestedType: [
              {
                name: "Inner",
                enumType: [{ name: "Deep", value: [{ name: "DEEP_ZERO", number: 0 }] }],
              },
            ],
          },
        ],
        service: [
          {
            name: "Odd",
            method: [{ name: "Do", inputType: ".odd.Outer", outputType: ".odd.Open" }],
          },
        ],
      },
    ],
  }),
);

function serviceOf(files: FileDescriptorSet): DescService {
  const service = createFileRegistry(files).getService("odd.Odd");
  if (service === undefined) throw new Error("the test's own file lacks its service");
  return service;
}

let listener: Listener;
let baseUrl: string;
beforeAll(async () => {
  const health = createHealth([]);
  health.setServing(true);
  const handler = connectNodeAdapter({
    routes(router) {
      health.routes(router);
      reflectionRoutes([Health, odd])(router);
    },
  });
  listener = await listen({
    address: { host: "127.0.0.1", port: 0 },
    handler,
    limits: listenLimits(readConfig({})),
  });
  baseUrl = `http://127.0.0.1:${listener.address.port}`;
});
afterAll(() => listener.close(0));

type Asked = MessageInitShape<typeof v1.ServerReflectionRequestSchema>["messageRequest"];

// The two versions differ in name alone, which their types do not show.
const alpha = v1alpha.ServerReflection as unknown as typeof v1.ServerReflection;

describe.each([
  { version: "v1", service: v1.ServerReflection },
  { version: "v1alpha", service: alpha },
])("reflection $version", ({ service }) => {
  async function ask(...asked: NonNullable<Asked>[]) {
    const client = createClient(service, createGrpcTransport({ baseUrl }));
    async function* requests() {
      for (const messageRequest of asked) yield { host: "h", messageRequest };
    }
    const answers: v1.ServerReflectionResponse[] = [];
    for await (const answer of client.serverReflectionInfo(requests())) answers.push(answer);
    return answers;
  }

  async function filesFor(...asked: NonNullable<Asked>[]) {
    return (await ask(...asked)).map(({ messageResponse: { value } }) =>
      value !== undefined && "fileDescriptorProto" in value
        ? value.fileDescriptorProto.map((b) => fromBinary(FileDescriptorProtoSchema, b).name)
        : value,
    );
  }

  test("lists all services, its own too", async () => {
    const [answer] = await ask({ case: "listServices", value: "*" });
    expect(answer).toMatchObject({
      validHost: "h",
      originalRequest: { host: "h", messageRequest: { case: "listServices", value: "*" } },
      messageResponse: {
        case: "listServicesResponse",
        value: {
          service: [
            { name: "grpc.health.v1.Health" },
            { name: "grpc.reflection.v1.ServerReflection" },
            { name: "grpc.reflection.v1alpha.ServerReflection" },
            { name: "odd.Odd" },
          ],
        },
      },
    });
  });

  test("gives a file by its name, with what it imports", async () => {
    const asked = { case: "fileByFilename", value: "odd.proto" } as const;
    expect(await filesFor(asked)).toEqual([["odd.proto", "extendee.proto", "base.proto"]]);
  });

  test("doesn't send an imported file twice on one stream", async () => {
    const asked = { case: "fileByFilename", value: "odd.proto" } as const;
    const next = { case: "fileByFilename", value: "extendee.proto" } as const;
    expect(await filesFor(asked, asked, next)).toEqual([
      ["odd.proto", "extendee.proto", "base.proto"],
      ["odd.proto"],
      ["extendee.proto"],
    ]);
  });

  test.each([
    "odd.Odd",
    "odd.Odd.Do",
    "odd.Outer",
    "odd.Outer.chosen",
    "odd.Outer.choice",
    "odd.Outer.early",
    "odd.Outer.Inner",
    "odd.Outer.Inner.Deep",
    "odd.Outer.Inner.DEEP_ZERO",
    "odd.Top",
    "odd.TOP_ZERO",
    "odd.late",
  ])("gives the file that declares %s", async (value) => {
    const [files] = await filesFor({ case: "fileContainingSymbol", value });
    expect(files).toEqual(["odd.proto", "extendee.proto", "base.proto"]);
  });

  test("finds extensions by type and number, and tells the numbers in order", async () => {
    const value = { containingType: "odd.Open", extensionNumber: 101 };
    const [files] = await filesFor({ case: "fileContainingExtension", value });
    expect(files).toContain("odd.proto");
    const [numbers, none] = await ask(
      { case: "allExtensionNumbersOfType", value: "odd.Open" },
      { case: "allExtensionNumbersOfType", value: "odd.Outer" },
    );
    expect(numbers?.messageResponse.value).toMatchObject({
      baseTypeName: "odd.Open",
      extensionNumber: [101, 150],
    });
    expect(none?.messageResponse.value).toMatchObject({ extensionNumber: [] });
  });

  test("answers NOT_FOUND to each unknown thing, and goes on", async () => {
    const unknown = [
      { case: "fileByFilename", value: "none.proto" },
      { case: "fileContainingSymbol", value: "odd.None" },
      { case: "fileContainingSymbol", value: "odd" },
      { case: "fileContainingSymbol", value: "odd.Top.TOP_ZERO" },
      {
        case: "fileContainingExtension",
        value: { containingType: "odd.Open", extensionNumber: 102 },
      },
      { case: "allExtensionNumbersOfType", value: "odd.None" },
    ] as const;
    const answers = await ask(...unknown);
    expect(answers).toHaveLength(unknown.length);
    for (const [i, answer] of answers.entries()) {
      expect(answer.originalRequest?.messageRequest).toMatchObject(unknown[i]!);
      expect(answer.messageResponse).toMatchObject({
        case: "errorResponse",
        value: { errorCode: Code.NotFound },
      });
    }
  });

  test("ends the stream with INVALID_ARGUMENT when nothing is asked", async () => {
    const asked = ask({ case: undefined });
    await expect(asked).rejects.toMatchObject({ code: Code.InvalidArgument });
  });
});

test.each(["grpc-v1", "grpc-v1alpha"])("buf curl finds its way by reflection, %s", async (name) => {
  const flags = ["--http2-prior-knowledge", "--protocol", "grpc", "--reflect-protocol", name];
  const method = `${baseUrl}/grpc.health.v1.Health/Check`;
  const buf = promisify(execFile)("node_modules/.bin/buf", ["curl", ...flags, method]);
  const { stdout } = await buf;
  expect(JSON.parse(stdout)).toEqual({ status: "SERVING" });
});

test("a server's reflection knows every type of the contract, and those that only errors name", async () => {
  const server = await testServer();
  onTestFinished(() => server.stop());
  const files: DescFile[] = [];
  for (const folder of ["points/v1", "google/rpc"]) {
    for (const name of await readdir(`gen/${folder}`)) {
      const path = `../../gen/${folder}/${name}`;
      const module = (await import(/* @vite-ignore */ path)) as Record<string, unknown>;
      files.push(...Object.values(module).filter(isFile));
    }
  }
  const names = files.flatMap((file) =>
    [...file.messages, ...file.enums, ...file.services].map(({ typeName }) => typeName),
  );
  expect(names).toEqual(
    expect.arrayContaining([
      "points.v1.ErrorReason",
      "points.v1.PointsService",
      "google.rpc.ErrorInfo",
      "google.rpc.Code",
    ]),
  );
  const client = createClient(v1.ServerReflection, server.transport);
  const asked = [...names, "buf.validate.FieldRules"];
  async function* requests() {
    for (const value of asked) {
      yield { messageRequest: { case: "fileContainingSymbol" as const, value } };
    }
  }
  const known: string[] = [];
  for await (const { originalRequest, messageResponse } of client.serverReflectionInfo(
    requests(),
  )) {
    const { value } = originalRequest!.messageRequest;
    if (messageResponse.case === "fileDescriptorResponse") known.push(value as string);
  }
  expect(known).toEqual(asked);
});

function isFile(value: unknown): value is DescFile {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "file";
}
