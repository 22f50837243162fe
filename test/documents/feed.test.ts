import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { beforeEach, describe, expect, onTestFinished, test, type TestContext } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { kindName } from "../../src/relay/cloud-event.ts";
import { askNats, freePort, startKafka, startNats } from "../support/brokers.ts";
import { codeBlocks } from "../support/code-blocks.ts";
import { testDatabase } from "../support/database.ts";
import { temporaryFolder, until } from "../support/processes.ts";
import { entryOf, scriptedLedger, type ScriptedLedger } from "../support/scripted-ledger.ts";
import { testServer } from "../support/server.ts";

// docs/feed.md: what it says to type is typed as it is there, in a folder that looks like the
// project's own. What needs a program that is not here is left out, by its name.

const run = promisify(execFile);
const PAGE = await readFile("docs/feed.md", "utf8");

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  for (const name of ["package.json", "bin", "src", "gen", "node_modules"]) {
    await symlink(resolve(name), join(folder, name));
  }
});

/** Starts commands of the page, until the end of the test. */
function start(commands: string, env: Record<string, string>): { said(): string } {
  const options = { cwd: folder, env: { ...process.env, ...env }, detached: true };
  const child: ChildProcess = spawn("bash", ["-c", commands], options);
  let said = "";
  child.stdout!.on("data", (chunk) => (said += chunk));
  child.stderr!.on("data", (chunk) => (said += chunk));
  onTestFinished(async () => {
    process.kill(-child.pid!, "SIGKILL");
    await once(child, "close");
  });
  return { said: () => said };
}

/** The blocks of a section in a language. */
function blocksOf(title: string, language: string): string[] {
  const [, section] = new RegExp(`^##? ${title}\n([^]*?)(?=^# |^## )`, "m").exec(PAGE)!;
  return codeBlocks(section!, language);
}

/** Leaves a test out where a program is not there. */
async function needs(context: TestContext, ...programs: string[]): Promise<void> {
  for (const program of programs) {
    const isThere = await run("sh", ["-c", `command -v ${program}`]).then(
      () => true,
      () => false,
    );
    context.skip(!isThere, `there is no ${program} here`);
  }
}

test("the receiver of docs/feed.md gets each low balance, once and signed", async () => {
  const server = await testServer();
  onTestFinished(() => server.stop());
  const port = String(await freePort());
  const atPort = (text: string) => text.replaceAll("8080", port);
  const [put, feed] = blocksOf("An e-mail when a balance is low", "sh");
  const [receiver] = blocksOf("An e-mail when a balance is low", "ts");
  await writeFile(join(folder, "receiver.ts"), atPort(receiver!));
  const env = { POINTS_URL: server.baseUrl };
  await run("bash", ["-c", put!], { cwd: folder, env: { ...process.env, ...env } });
  const running = start(
    atPort(feed!).replace("npx points", "npx node receiver.ts &\nnpx points"),
    env,
  );
  await until("the feed stands at now", async () => {
    return (await readFile(join(folder, "low.cursor"), "utf8").catch(() => "")) !== "";
  });
  const points = (value: bigint) => ({ case: "points", value }) as const;
  await server.client.recharge({ userId: "ada", points: 25n });
  await server.client.consume({ userId: "ada", cost: points(10n) });
  await server.client.consume({ userId: "ada", cost: points(15n) });
  await server.client.recharge({ userId: "ada", points: 30n });
  await server.client.consume({ userId: "ada", cost: points(11n) });
  await until("the last is sent", () => running.said().includes("19 points left"));
  const mails = running
    .said()
    .split("\n")
    .filter((line) => line.startsWith("to "));
  expect(mails).toEqual([15, 19].map((left) => `to ada: you have ${left} points left`));

  const [look] = blocksOf("Lines", "sh");
  const looking = start(look!, env);
  await until("all are shown", () => looking.said().split("\n").length > 6);
  expect(looking.said().split("\n")[2]).toMatch(/Z\tada\tpoints\.v1\.entry\.consume\t10$/);
});

test("docs/feed.md names the types of all kinds of entries", () => {
  const [row] = /^\| `type` .*$/m.exec(PAGE)!;
  const kinds = Object.values(EntryKind).filter((kind) => kind !== EntryKind.UNSPECIFIED);
  for (const kind of kinds) expect(row).toContain(`\`${kindName(kind)}\``);
});

describe("a command of docs/feed.md", () => {
  let ledger: ScriptedLedger;
  beforeEach(async () => {
    ledger = await scriptedLedger();
    const [first, second] = [1, 2].map((sequence) => entryOf("ada", sequence));
    ledger.push({ entries: [first!, entryOf('b"o\\b', 1)] });
    ledger.push({ entries: [second!] });
  });

  /** The cursor that the feed has stored. */
  async function stands(file: string): Promise<string> {
    const text = await readFile(join(folder, file), "utf8").catch(() => "{}");
    return (JSON.parse(text) as { cursor?: string }).cursor ?? "";
  }

  test("loads a warehouse, which forgets what was lost and whoever is erased", async (context) => {
    await needs(context, "psql");
    const database = await testDatabase({ empty: true });
    onTestFinished(() => database.close());
    const env = { POINTS_URL: ledger.baseUrl, WAREHOUSE: database.url };
    const title = "A warehouse in PostgreSQL";
    const [table, feed] = blocksOf(title, "sh");
    await writeFile(join(folder, "load.sql"), blocksOf(title, "sql")[0]!);
    await run("bash", ["-c", table!], { cwd: folder, env: { ...process.env, ...env } });
    const running = start(feed!, env);
    const rows = async () =>
      database.query("select user_id, feed, data from points_event order by user_id, feed");
    const arrives = (cursor: string) =>
      until(`it stands at ${cursor}: ${running.said()}`, async () => {
        return (await stands("warehouse.cursor")) === cursor;
      });
    await arrives("2");
    expect(await rows()).toMatchObject([
      { user_id: "ada", feed: "1", data: { metadata: { for: "配音 🎧" } } },
      { user_id: "ada", feed: "2" },
      { user_id: 'b"o\\b', feed: "1" },
    ]);

    // Ada's second entry is lost, and another has its number.
    ledger.push({ epoch: 2n, epochChange: { endedEpoch: 1n, epoch: 2n, doubtedFromFeed: 2n } });
    ledger.push({ epoch: 2n, entries: [entryOf("ada", 2, "again")] });
    await arrives("4");
    expect(await rows()).toMatchObject([
      { user_id: "ada", feed: "1" },
      { user_id: "ada", feed: "4", data: { hash: base64(entryOf("ada", 2, "again").hash) } },
      { user_id: 'b"o\\b' },
      { user_id: null, feed: null },
    ]);

    const { hash: erasedHash } = entryOf("ada", 2, "again");
    const erase = Object.assign(entryOf("x7", 3), {
      kind: EntryKind.ERASE,
      erasedHash,
      metadata: {},
    });
    // Somebody else has the name at once.
    const createTime = timestampFromMs(1_800_000_001_000);
    const reborn = Object.assign(entryOf("ada", 1, "another"), { createTime });
    ledger.push({ epoch: 2n, entries: [erase, reborn] });
    await arrives("5");
    const after = await rows();
    expect(after.map(({ user_id }) => user_id)).toEqual(["ada", 'b"o\\b', "x7", "x7", "x7", null]);
    expect(after[0]).toMatchObject({ data: { hash: base64(reborn.hash) } });
    const ofErased = JSON.stringify(after.slice(2));
    expect(ofErased).not.toContain('"ada"');
    expect(ofErased).not.toContain("配音");
  });

  test("hands entries to Kafka, with the user as key", async (context) => {
    await needs(context, "kcat", "jq", "java", "mvn");
    const broker = await startKafka();
    if (broker === undefined) return context.skip("Maven does not bring Kafka");
    const [feed] = blocksOf("Kafka", "sh");
    const running = start(feed!.replaceAll("127.0.0.1:9092", broker), {
      POINTS_URL: ledger.baseUrl,
    });
    await until("all are in Kafka", async () => (await stands("kafka.cursor")) === "2");
    const consume = `kcat -C -b ${broker} -t points -e -q -o beginning -f '%k\t%s\n'`;
    const { stdout } = await run("sh", ["-c", consume]);
    const lines = stdout.trimEnd().split("\n");
    const keyed = lines.map((line) => line.split("\t") as [string, string]);
    expect(keyed.map(([key]) => key)).toEqual(["ada", 'b"o\\b', "ada"]);
    const subjects = keyed.map(([, event]) => (JSON.parse(event) as { subject: string }).subject);
    expect(subjects).toEqual(keyed.map(([key]) => key));
    expect(running.said()).not.toContain("does not take");
  });

  test("hands entries to NATS, which has stored them", async (context) => {
    await needs(context, "nats-server");
    const port = await startNats();
    const ask = (api: string, request: object) =>
      askNats(port, `$JS.API.STREAM.${api}.POINTS`, request);
    await ask("CREATE", { name: "POINTS", subjects: ["points.>"] });
    await writeFile(
      join(folder, "to-nats.sh"),
      blocksOf("NATS", "bash")[0]!.replaceAll("4222", String(port)),
    );
    const [feed] = blocksOf("NATS", "sh");
    const running = start(feed!, { POINTS_URL: ledger.baseUrl });
    await until("all are in NATS", async () => (await stands("nats.cursor")) === "2");
    const { state } = (await ask("INFO", {})) as { state: object };
    expect(state).toMatchObject({ messages: 3 });
    const stored = (await ask("MSG.GET", { seq: 2 })) as {
      message: { data: string };
    };
    const event = JSON.parse(Buffer.from(stored.message.data, "base64").toString()) as object;
    expect(event).toMatchObject({ subject: 'b"o\\b', data: { metadata: { for: "配音 🎧" } } });
    expect(running.said()).toBe("");

    // A stream that is full refuses: then the cursor stays.
    const full = { name: "POINTS", subjects: ["points.>"], max_msgs: 3, discard: "new" };
    await ask("UPDATE", full);
    ledger.push({ entries: [entryOf("eve", 1)] });
    await until("it fails", () => running.said().includes("the command exits with 1"));
    expect(await stands("nats.cursor")).toBe("2");
  });
});

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
