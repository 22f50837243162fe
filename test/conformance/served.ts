import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { create, type FileRegistry, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { readConfig } from "../../src/config/environment.ts";
import { readTls, type TlsOptions } from "../../src/transport/tls.ts";
import { conformanceRoutes } from "./conformance-service.ts";
import { mount } from "../support/mount.ts";
import { readRegistry } from "./tools.ts";

// The server under test, as connectconformance starts it: it reads its options from standard input,
// and writes its address to standard output. Its argument is the file of descriptors.

const registry = await readRegistry(process.argv[2]!);
const asked = await readRequest(registry);
const secure = asked.useTls ? await tlsOf(asked) : undefined;
const { address } = await mount(conformanceRoutes(registry), {
  maxBytes: asked.messageReceiveLimit || 0xffffffff,
  secure,
  jsonOptions: { registry },
});
const { host, port } = address;
const pemCert = asked.useTls ? asked.serverCreds!.cert : new Uint8Array();
await writeAnswer(registry, { host, port, pemCert });

type Request = Message & {
  readonly useTls: boolean;
  readonly serverCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array };
  /** Empty: clients have no certificate. */
  readonly clientTlsCert: Uint8Array;
  readonly messageReceiveLimit: number;
};

/** Reads a request; four bytes of length precede it, as they do the answer. */
async function readRequest(from: FileRegistry): Promise<Request> {
  const schema = from.getMessage("connectrpc.conformance.v1.ServerCompatRequest")!;
  const bytes = await buffer(process.stdin);
  return fromBinary(schema, bytes.subarray(4)) as Request;
}

async function writeAnswer(
  from: FileRegistry,
  answer: { host: string; port: number; pemCert: Uint8Array },
): Promise<void> {
  const schema = from.getMessage("connectrpc.conformance.v1.ServerCompatResponse")!;
  const bytes = toBinary(schema, create(schema, answer));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  if (!process.stdout.write(Buffer.concat([length, bytes]))) await once(process.stdout, "drain");
}

/** Uses the server's own reading of files, so that its TLS rules hold here too. */
async function tlsOf({ serverCreds, clientTlsCert }: Request): Promise<TlsOptions> {
  const folder = await mkdtemp(join(tmpdir(), "points-conformance-tls-"));
  try {
    const file = async (name: string, text: Uint8Array) => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const tlsCert = await file("cert.pem", serverCreds!.cert);
    const tlsKey = await file("key.pem", serverCreds!.key);
    const asksClients = clientTlsCert.length > 0;
    const tlsClientCa = asksClients ? await file("client.pem", clientTlsCert) : undefined;
    return readTls({ ...readConfig({}), tlsCert, tlsKey, tlsClientCa })!;
  } finally {
    await rm(folder, { recursive: true });
  }
}
