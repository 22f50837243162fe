import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeEach, expect, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import type { CloudEvent } from "../../src/relay/cloud-event.ts";
import { runPoints, temporaryFolder, until } from "../support/processes.ts";
import { entryOf, scriptedLedger, type ScriptedLedger } from "../support/scripted-ledger.ts";
import { type Received, webhookTarget } from "../support/webhook-target.ts";

// `points feed` as a process, at a ledger whose stream the test writes.

const FEED_SECRET = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;

let ledger: ScriptedLedger;
let cursorFile: string;
beforeEach(async () => {
  ledger = await scriptedLedger();
  cursorFile = join(await temporaryFolder(), "feed.cursor");
});

function feed(...args: string[]) {
  const environment = { POINTS_URL: ledger.baseUrl, FEED_SECRET };
  return runPoints(environment, ["feed", "--cursor", cursorFile, ...args]);
}

async function storedCursor(): Promise<string | undefined> {
  const text = await readFile(cursorFile, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as { cursor: string }).cursor;
}

function pushEntries(from: number, to: number): void {
  for (let number = from; number <= to; number += 1) {
    ledger.push({ entries: ["ada", "bob"].map((user) => entryOf(user, number)) });
  }
}

function nameOf({ event }: Received): string {
  return `${event.subject} ${(event.data as { sequence: string }).sequence}`;
}

test("a server that goes away just when the first entries have come is waited for", async () => {
  const target = await webhookTarget();
  ledger.refuseOnce();
  pushEntries(1, 1);
  const { child } = feed("--from", "0", "--webhook", target.url);
  await until("the entries are delivered", () => target.came.length === 2);
  child.kill("SIGKILL");
});

test("a feed killed before it has stored the cursor sends all again, with the same ids", async () => {
  pushEntries(1, 60);
  let die = () => {};
  let left = 0;
  const target = await webhookTarget(() => {
    left -= 1;
    if (left === 0) die();
    return { status: 204 };
  });
  for (let life = 0; life < 2; life += 1) {
    left = 30 + life;
    const running = feed("--webhook", target.url, "--from", "0");
    // The target has processed it, and the feed will never know.
    die = () => running.child.kill("SIGKILL");
    expect((await running.exit).signal).toBe("SIGKILL");
  }
  die = () => {};
  const last = feed("--webhook", target.url, "--from", "0");
  await until("the cursor is at the end", async () => (await storedCursor()) === "60");
  expect((await last.end("SIGTERM")).code).toBe(0);

  const idOf = new Map<string, string>();
  for (const received of target.came) {
    const name = nameOf(received);
    expect(idOf.get(name) ?? received.event.id).toBe(received.event.id);
    idOf.set(name, received.event.id);
  }
  expect(idOf.size).toBe(120);
  expect(target.came.length).toBeGreaterThan(120);
});

test("a feed goes on where it stopped, and when a server is back, from the last cursor", async () => {
  const target = await webhookTarget();
  const first = feed("--webhook", target.url);
  // It begins now, which it has to store before anything comes.
  await until("it stands at the beginning", async () => (await storedCursor()) === "0");
  pushEntries(1, 3);
  await until("they came", async () => (await storedCursor()) === "3");
  ledger.cut();
  pushEntries(4, 5);
  await until("it is back", async () => (await storedCursor()) === "5");
  expect(first.stderr()).toContain("points feed: the server is away (");
  expect(await first.end("SIGINT")).toMatchObject({ code: 0, stdout: "" });
  pushEntries(6, 7);
  const second = feed("--webhook", target.url);
  await until("the rest came", async () => (await storedCursor()) === "7");
  expect((await second.end("SIGTERM")).code).toBe(0);
  expect(target.came.map(nameOf).toSorted()).toEqual(
    ["ada", "bob"].flatMap((user) => [1, 2, 3, 4, 5, 6, 7].map((number) => `${user} ${number}`)),
  );
  expect(ledger.requests.map(({ cursor }) => cursor)).toEqual(["", "3", "5"]);
});

test("it asks for its kinds and users, and passes on alerts, erasures and epoch changes alone", async () => {
  const target = await webhookTarget();
  const only = [
    "--kind",
    "set_policy",
    "--kind",
    "consume",
    "--user-prefix",
    "eu-",
    "--alert",
    "low",
  ];
  const running = feed("--webhook", target.url, "--from=0", ...only);
  ledger.push({ entries: [entryOf("eu-ada", 1)] });
  ledger.push({ entries: [Object.assign(entryOf("eu-bob", 1), { alerts: ["low"] })] });
  ledger.push({ entries: [Object.assign(entryOf("x7", 2), { kind: EntryKind.ERASE })] });
  ledger.push({ epochChange: { endedEpoch: 1n, epoch: 2n, doubtedFromFeed: 2n } });
  await until("it is at the end", async () => (await storedCursor()) === "4");
  expect(target.came.map(({ event }) => [event.type, event.source, event.subject])).toEqual([
    ["points.v1.entry.consume", "ledger-1", "eu-bob"],
    ["points.v1.entry.erase", "ledger-1", "x7"],
    ["points.v1.epoch_change", "ledger-1", undefined],
  ]);
  const [request] = ledger.requests;
  expect(request).toMatchObject({
    cursor: "0",
    kinds: [EntryKind.SET_POLICY, EntryKind.CONSUME, EntryKind.ERASE],
    userIdPrefix: "eu-",
  });
  const beside = await feed("--webhook", target.url, ...only).exit;
  expect(beside).toMatchObject({ code: 1, stderr: expect.stringContaining("another feed uses") });
  await running.end("SIGTERM");
  // A cursor is of one filter.
  expect(await feed("--webhook", target.url, "--kind", "consume").exit).toMatchObject({
    code: 1,
    stderr: `points: ${cursorFile} is of --kind consume --kind set_policy --user-prefix eu-, and not of --kind consume: take a cursor file for each\n`,
  });
});

test("a target that is gone, and a cursor that is none, end it with a sentence", async () => {
  pushEntries(1, 2);
  const target = await webhookTarget(() => ({ status: 410 }));
  expect(await feed("--webhook", target.url, "--from=0").exit).toMatchObject({
    code: 1,
    stderr: "points: the target wants no more events (HTTP 410)\n",
  });
  const place = { kinds: [], userIdPrefix: "", cursor: "17" };
  await writeFile(cursorFile, JSON.stringify(place));
  expect(await feed().exit).toMatchObject({
    code: 1,
    stderr: "points: the cursor is not of this ledger (CURSOR_INVALID)\n",
  });
  await writeFile(cursorFile, JSON.stringify({ ...place, cursor: 17 }));
  expect(await feed().exit).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("is not a cursor file: put back what was there"),
  });
});

test("without a target it prints lines, and ends when nobody reads them any more", async () => {
  pushEntries(1, 1_000);
  const running = feed("--from", "0");
  await until("it is at the end", async () => (await storedCursor()) === "1000");
  const { code, stdout } = await running.end("SIGTERM");
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  const subjects = lines.map((line) => (JSON.parse(line) as CloudEvent).subject);
  expect(subjects).toEqual(Array.from({ length: 2_000 }, (_, index) => ["ada", "bob"][index % 2]));

  // All that was printed is in the cursor, and nothing else.
  pushEntries(1_001, 3_000);
  const command = `exec node src/main.ts feed --cursor ${cursorFile} | head -n 1`;
  const shell = spawn("sh", ["-c", command], {
    env: { ...process.env, POINTS_URL: ledger.baseUrl },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  shell.stdout.on("data", (chunk) => (printed += chunk));
  await once(shell, "close");
  expect((JSON.parse(printed) as CloudEvent).data).toMatchObject({ sequence: "1001" });
  expect(Number(await storedCursor())).toBeLessThan(3_000);
});

test("a command has taken the lines if it exits with 0, and else gets them again", async () => {
  const folder = await temporaryFolder();
  pushEntries(1, 2);
  // It fails once after it has taken something.
  const command = `cat >> ${folder}/taken; test -e ${folder}/ready || ! touch ${folder}/ready`;
  const running = feed("--from", "0", "--exec", command);
  await until("it is at the end", async () => (await storedCursor()) === "2");
  expect((await running.end("SIGTERM")).code).toBe(0);
  expect(running.stderr()).toContain("does not take an event (the command exits with 1)");
  const lines = (await readFile(join(folder, "taken"), "utf8")).trimEnd().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as CloudEvent).data)).toMatchObject(
    ["1", "1", "1", "1", "2", "2"].map((sequence) => ({ sequence })),
  );
});

test("a feed that is ended at once ends its command, which else would go on beside the next feed's", async () => {
  pushEntries(1, 1);
  const began = join(await temporaryFolder(), "began");
  const running = feed("--from", "0", "--exec", `touch ${began}; sleep 30; touch ${began}-ended`);
  await until("the command runs", async () => existsSync(began));
  running.child.kill("SIGTERM");
  await setTimeout(1_100);
  running.child.kill("SIGTERM");
  // It waits for whoever has its standard error, too.
  expect(await running.exit).toMatchObject({ code: 1 });
  expect(existsSync(`${began}-ended`)).toBe(false);
});

test("dead letters are sent again", async () => {
  pushEntries(1, 2);
  const dead = join(await temporaryFolder(), "dead.ndjson");
  const refusing = await webhookTarget(() => ({ status: 422 }));
  const running = feed("--webhook", refusing.url, "--from=0", "--dead-letters", dead);
  await until("all are refused", async () => (await storedCursor()) === "2");
  await running.end("SIGTERM");
  const target = await webhookTarget();
  const resent = runPoints({ FEED_SECRET }, ["feed", "--resend", dead, "--webhook", target.url]);
  expect(await resent.exit).toMatchObject({ code: 0, stderr: "" });
  expect(target.came.map(({ body }) => body).toSorted()).toEqual(
    refusing.came.map(({ body }) => body).toSorted(),
  );
  await writeFile(dead, "{}\n");
  expect(await runPoints({}, ["feed", "--resend", dead]).exit).toMatchObject({
    code: 1,
    stderr: `points: line 1 of ${dead} is not a dead letter\n`,
  });
});
