import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createFileRegistry, type FileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const CONFORMANCE = "connectrpc.com/conformance@v1.0.7";
const GRPC = "google.golang.org/grpc@v1.85.0";
const MAX_MS = 900_000;

/** Foreign files: two conformance programs, and the descriptors of the services they call. */
export type Tools = {
  readonly runner: string;
  readonly runnerTypes: string;
  readonly interopClient: string;
  readonly interopTypes: string;
};

/**
 * Builds the programs with Go and finds the descriptors in their modules. They stay in the folder for
 * temporary files.
 *
 * @throws if they are not available
 */
export async function fetchTools(): Promise<Tools> {
  const versions = [CONFORMANCE, GRPC].map((module) => module.split("@v")[1]);
  const folder = join(tmpdir(), `points-conformance-${versions.join("-")}`);
  if (!existsSync(folder)) {
    const making = `${folder}.${process.pid}`;
    await make(toolsIn(making), making);
    // Another run may have made the same folder first.
    await rename(making, folder).catch(() => rm(making, { recursive: true }));
  }
  return toolsIn(folder);
}

/** Reads a file of descriptors. */
export async function readRegistry(path: string): Promise<FileRegistry> {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(path)));
}

function toolsIn(folder: string): Tools {
  return {
    runner: join(folder, "connectconformance"),
    runnerTypes: join(folder, "conformance.binpb"),
    interopClient: join(folder, "client"),
    interopTypes: join(folder, "testservice.binpb"),
  };
}

async function make({ runnerTypes, interopTypes }: Tools, folder: string): Promise<void> {
  await mkdir(folder);
  const [module, version] = CONFORMANCE.split("@");
  await install(`${module}/cmd/connectconformance@${version}`, folder);
  const downloaded = await ran("go", ["mod", "download", "-json", CONFORMANCE]);
  const { Dir } = JSON.parse(downloaded.toString()) as { Dir: string };
  await ran("buf", ["build", join(Dir, "proto"), "-o", runnerTypes]);

  const [grpc, grpcVersion] = GRPC.split("@");
  await install(`${grpc}/interop/client@${grpcVersion}`, folder);
  await writeFile(interopTypes, await ran("go", ["run", "./testservice"], "test/foreign/go"));
}

function install(program: string, folder: string): Promise<Buffer> {
  return ran("go", ["install", program], ".", { ...process.env, GOBIN: folder });
}

async function ran(
  program: string,
  args: readonly string[],
  cwd = ".",
  env = process.env,
): Promise<Buffer> {
  const options = { cwd, env, timeout: MAX_MS, encoding: "buffer" } as const;
  return (await promisify(execFile)(program, args, options)).stdout;
}
