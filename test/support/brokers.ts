import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import { temporaryFolder, until } from "./processes.ts";

const run = promisify(execFile);

/** A port that was free a moment ago, for programs that must be told one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/**
 * Starts a Kafka broker, by the jars that Maven brings, until the end of the test. It needs java,
 * mvn and kcat.
 *
 * @returns its address; undefined if Maven does not bring the jars in two minutes
 */
export async function startKafka(): Promise<string | undefined> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "pom.xml"), POM);
  const copy = ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"];
  const hasJars = await run("mvn", copy, { cwd: folder, timeout: 120_000 }).then(
    () => true,
    () => false,
  );
  if (!hasJars) return undefined;
  const [broker, controller] = [await freePort(), await freePort()];
  const settings = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}`,
    "controller.listener.names": "CONTROLLER",
    "log.dirs": join(folder, "data"),
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(folder, "server.properties"), lines.join(""));
  const java = ["-Xmx300m", "-cp", "lib/*"];
  const format = ["kafka.tools.StorageTool", "format", "-t", "A".repeat(22), "-c"];
  await run("java", [...java, ...format, "server.properties"], { cwd: folder });
  start("java", [...java, "kafka.Kafka", "server.properties"], folder);
  const address = `127.0.0.1:${broker}`;
  await until("Kafka answers", () =>
    run("kcat", ["-L", "-b", address]).then(
      () => true,
      () => false,
    ),
  );
  return address;
}

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>points</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>3.9.1</version>
    </dependency>
  </dependencies>
</project>
`;

/** Starts a NATS server with JetStream, until the end of the test. It needs nats-server. */
export async function startNats(): Promise<number> {
  const folder = await temporaryFolder();
  const options = ["-js", "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", folder, "-sd", folder];
  start("nats-server", options, folder);
  let name: string | undefined;
  await until("NATS has said its port", async () => {
    name = (await readdir(folder)).find((file) => file.endsWith(".ports"));
    return name !== undefined;
  });
  const { nats } = JSON.parse(await readFile(join(folder, name!), "utf8")) as { nats: [string] };
  return Number(new URL(nats[0]).port);
}

/** Asks NATS: publishes a request as JSON, and gives the answer. */
export async function askNats(port: number, subject: string, request: object): Promise<unknown> {
  const socket = connect(port, "127.0.0.1");
  try {
    const text = JSON.stringify(request);
    socket.write(`CONNECT {"verbose":false}\r\nSUB answer 1\r\n`);
    socket.write(`PUB ${subject} answer ${Buffer.byteLength(text)}\r\n${text}\r\n`);
    let said = "";
    for await (const chunk of socket.setEncoding("utf8")) {
      said += chunk as string;
      const [, answer] = /^MSG answer 1 \d+\r\n(.*)\r\n/m.exec(said) ?? [];
      if (answer !== undefined) return JSON.parse(answer);
    }
    throw new Error(`NATS ended the connection: ${said}`);
  } finally {
    socket.destroy();
  }
}

function start(program: string, args: readonly string[], folder: string): void {
  const child = spawn(program, args, { cwd: folder, stdio: "ignore" });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "close");
  });
}
