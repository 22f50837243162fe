import { join } from "node:path";
import { appendFile, readFile } from "node:fs/promises";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { StreamEntriesResponseSchema } from "../../gen/points/v1/ledger_pb.ts";
import { untilTaken } from "../../src/relay/attempts.ts";
import { type CloudEvent, eventsOf } from "../../src/relay/cloud-event.ts";
import { type DeadLetter, openDeadLetters, readDeadLetters } from "../../src/relay/dead-letters.ts";
import { inOrderOfUsers } from "../../src/relay/parallel.ts";
import { trackProgress } from "../../src/relay/progress.ts";
import { type Piece, relay, STOPPED } from "../../src/relay/relay.ts";
import { readSecrets } from "../../src/relay/standard-webhook.ts";
import { RETRY_LIMITS, type RetryLimits } from "../../src/relay/verdict.ts";
import { webhookTo } from "../../src/relay/webhook.ts";
import { temporaryFolder, until } from "../support/processes.ts";
import { entryOf } from "../support/scripted-ledger.ts";
import { type Answer, isGenuine, type Received, webhookTarget } from "../support/webhook-target.ts";

const SECRET = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;
const QUICK: RetryLimits = { ...RETRY_LIMITS, backoffMs: 2, backoffMaxMs: 20 };

/** A feed to a webhook in this process. */
function feedTo(
  url: string,
  pieces: Iterable<Piece> | AsyncIterable<Piece>,
  more: {
    limits?: RetryLimits;
    timeoutMs?: number;
    deadLetters?: string;
    nowMs?: () => number;
  } = {},
) {
  const ending = new AbortController();
  const stored: string[] = [];
  const said: string[] = [];
  const begin = async () => {
    const { limits = QUICK, timeoutMs, deadLetters, nowMs = () => performance.now() } = more;
    const append = deadLetters === undefined ? undefined : await openDeadLetters(deadLetters);
    const send = webhookTo(url, readSecrets(SECRET, "SECRET"), timeoutMs);
    const attempt = ([event]: readonly CloudEvent[]) => send(event!);
    const say = (text: string) => void said.push(text);
    const deliver = untilTaken({ attempt, limits, append, signal: ending.signal, say, nowMs });
    const sink = inOrderOfUsers((event) => deliver([event]));
    const store = async (cursor: string) => void stored.push(cursor);
    await relay({ pieces: each(pieces), sink, store, ending });
  };
  return { done: begin(), ending, stored, said };
}

async function* each(pieces: Iterable<Piece> | AsyncIterable<Piece>): AsyncGenerator<Piece> {
  yield* pieces;
}

/** Pieces of random sizes, in which the entries of users are mixed; the cursors are 1, 2, 3, … */
function randomPieces(entries: number, users: number): Piece[] {
  const sequences = new Map<string, number>();
  const pieces: Piece[] = [];
  for (let made = 0; made < entries;) {
    const size = Math.min(Math.floor(Math.random() * 12), entries - made);
    const some = Array.from({ length: size }, () => {
      const user = `user-${Math.floor(Math.random() * users)}`;
      const sequence = (sequences.get(user) ?? 0) + 1;
      sequences.set(user, sequence);
      return entryOf(user, sequence);
    });
    pieces.push(pieceOf(some, pieces.length + 1));
    made += size;
  }
  return pieces;
}

function pieceOf(entries: ReturnType<typeof entryOf>[], cursor: number): Piece {
  const feeds = entries.map(() => BigInt(cursor));
  const message = create(StreamEntriesResponseSchema, { entries, feeds, epoch: 1n });
  const events = eventsOf(message, { ledgerId: "ledger-1", alerts: new Set() });
  return { events, cursor: String(cursor) };
}

function sequenceOf({ data }: CloudEvent): number {
  return Number((data as { sequence: string }).sequence);
}

test("nothing is missed, doubled under another id or out of its user's order, whatever fails", async () => {
  const processed: Received[] = [];
  const target = await webhookTarget((received) => {
    const answer = randomAnswer();
    // What it processed, and then broke off, comes again: the sender cannot know.
    const takes = typeof answer === "string" ? Math.random() < 0.5 : answer.status < 300;
    if (takes) processed.push(received);
    return answer;
  });
  const randomAnswer = (): Answer => {
    const dice = Math.random();
    if (dice < 0.7) return { status: 204 };
    if (dice < 0.78) return { status: 500 };
    if (dice < 0.86) return { status: 429, headers: { "retry-after": "0" } };
    if (dice < 0.92) return "break the connection";
    if (dice < 0.95) return "hang";
    target.kill();
    setTimeout(() => void target.revive(), 5);
    return "break the connection";
  };
  const pieces = randomPieces(200, 10);
  const feed = feedTo(target.url, pieces, { timeoutMs: 200 });
  await feed.done;

  expect(new Set(processed.map(({ event }) => event.id))).toEqual(
    new Set(pieces.flatMap(({ events }) => events.map(({ id }) => id))),
  );
  const last = new Map<string, number>();
  for (const { event } of processed) {
    const before = last.get(event.subject!) ?? 0;
    // The next one, or the last one again.
    expect([before, before + 1]).toContain(sequenceOf(event));
    last.set(event.subject!, sequenceOf(event));
  }
  const bodies = new Map<string, string>();
  for (const received of target.came) {
    const { headers, body, event } = received;
    expect(isGenuine(received, SECRET)).toBe(true);
    expect(headers["webhook-id"]).toBe(event.id);
    expect(headers["content-type"]).toBe("application/cloudevents+json; charset=utf-8");
    expect(bodies.get(event.id) ?? body).toBe(body);
    bodies.set(event.id, body);
  }
  expect(target.came.length).toBeGreaterThan(processed.length);
  expect(feed.stored.at(-1)).toBe(String(pieces.length));
});

test("the cursor moves in the stream's order, and never past what is not delivered", async () => {
  const [slow, quick] = [entryOf("slow", 1), entryOf("quick", 1)];
  const gate = { open: false };
  const target = await webhookTarget(({ event }) => {
    return { status: event.subject === "slow" && !gate.open ? 503 : 204 };
  });
  const pieces = [pieceOf([], 1), pieceOf([slow], 2), pieceOf([quick], 3), pieceOf([], 4)];
  const feed = feedTo(target.url, pieces);
  const cameOf = (user: string) => target.came.filter(({ event }) => event.subject === user).length;
  await until("the others are delivered", () => cameOf("quick") === 1 && cameOf("slow") > 3);
  expect(feed.stored).toEqual(["1"]);
  gate.open = true;
  await feed.done;
  expect(feed.stored.at(-1)).toBe("4");
  expect(feed.said).toEqual(["the target does not take an event (HTTP 503); trying again"]);
});

test("others run ahead of what is not delivered, as far as memory is bounded", async () => {
  const gate = Promise.withResolvers<void>();
  const sink = inOrderOfUsers(({ subject }) =>
    subject === "stuck" ? gate.promise : settledSoon(),
  );
  const stored: string[] = [];
  const progress = trackProgress(
    async (cursor) => void stored.push(cursor),
    () => {},
  );
  const add = (user: string, sequence: number) => {
    progress.add("cursor", sink.send(pieceOf([entryOf(user, sequence)], 1).events));
  };
  for (let sequence = 1; sequence < 1_000; sequence += 1) add("stuck", sequence);
  for (let number = 1; number < 2_000; number += 1) add(`user-${number}`, 1);
  expect(await isFull(sink)).toBe(false);
  add("stuck", 1_000);
  expect(await isFull(sink)).toBe(true);

  for (let number = 0; number < 8_000; number += 1) progress.add("cursor", settledSoon());
  expect(await isFull(progress)).toBe(true);
  // Empty messages need no room: they come every second, also while nothing happens.
  progress.add("later", undefined);
  gate.resolve();
  await Promise.all([sink.room(), progress.room()]);
  await progress.settled();
  expect(stored.at(-1)).toBe("later");
});

/** Whether there is no room, after all that is settled by now. */
async function isFull({ room }: { room(): Promise<void> }): Promise<boolean> {
  let full = true;
  void room().then(() => (full = false));
  await new Promise(setImmediate);
  return full;
}

async function settledSoon(): Promise<void> {}

test("an erasure comes after all entries before it, and before all after it", async () => {
  const before = ["ada", "bob", "eve"].map((user) => entryOf(user, 1));
  const erase = Object.assign(entryOf("x7", 2), { kind: EntryKind.ERASE });
  const after = ["bob", "x7"].map((user) => entryOf(user, 3));
  const failures = new Map([
    ["bob", 3],
    ["x7", 2],
  ]);
  const taken: string[] = [];
  const target = await webhookTarget(({ event }) => {
    const left = failures.get(event.subject!) ?? 0;
    failures.set(event.subject!, left - 1);
    if (left > 0) return { status: 500 };
    taken.push(`${event.subject} ${sequenceOf(event)}`);
    return { status: 204 };
  });
  await feedTo(target.url, [pieceOf([...before, erase, ...after], 1)]).done;
  expect(taken.slice(0, 3).toSorted()).toEqual(["ada 1", "bob 1", "eve 1"]);
  expect(taken[3]).toBe("x7 2");
  expect(taken.slice(4).toSorted()).toEqual(["bob 3", "x7 3"]);
});

test("Retry-After of one answer lets the target alone, whoever's entries come next", async () => {
  const cameMs: number[] = [];
  const target = await webhookTarget(() => {
    cameMs.push(performance.now());
    return cameMs.length === 1 ? { status: 429, headers: { "retry-after": "1" } } : { status: 204 };
  });
  const feed = feedTo(target.url, twoPieces());
  async function* twoPieces() {
    yield pieceOf([entryOf("ada", 1)], 1);
    await until("the first is answered", () => feed.said.length === 1);
    yield pieceOf([entryOf("bob", 1)], 2);
  }
  await feed.done;
  expect(cameMs).toHaveLength(3);
  expect(cameMs[1]! - cameMs[0]!).toBeGreaterThan(990);
});

test("Retry-After lets the target alone for so long, and not as long as what has failed often waits", async () => {
  const target = await webhookTarget(({ event }) => {
    return event.subject === "full"
      ? { status: 429, headers: { "retry-after": "1" } }
      : { status: 204 };
  });
  const feed = feedTo(target.url, twoPieces(), {
    limits: { ...RETRY_LIMITS, backoffMs: 1e9, backoffMaxMs: 1e9 },
  });
  async function* twoPieces() {
    yield pieceOf([entryOf("full", 1)], 1);
    await until("the first is answered", () => feed.said.length === 1);
    yield pieceOf([entryOf("ada", 1)], 2);
  }
  await until("another's entry is delivered", () => target.came.length === 2);
  feed.ending.abort(STOPPED);
  await feed.done;
});

test("what is refused, or not taken in time, goes to the dead letters, and the feed goes on", async () => {
  const deadLetters = join(await temporaryFolder(), "dead.ndjson");
  const statuses: Record<string, number> = { odd: 422, broken: 500 };
  // A clock of the test's own: each attempt at what is broken takes 100 ms.
  let ms = 0;
  const target = await webhookTarget(({ event }) => {
    if (event.subject === "broken") ms += 100;
    return { status: statuses[event.subject!] ?? 204 };
  });
  const entries = ["odd", "broken", "ada"].map((user) => entryOf(user, 1));
  const pieces = [pieceOf(entries, 1), pieceOf([entryOf("broken", 2)], 2)];
  const limits = { ...QUICK, giveUpMs: 300 };
  const feed = feedTo(target.url, pieces, { deadLetters, limits, nowMs: () => ms });
  await feed.done;
  expect(feed.stored.at(-1)).toBe("2");
  const cameOf = (user: string) => target.came.filter(({ event }) => event.subject === user);
  expect([cameOf("odd").length, cameOf("ada").length]).toEqual([1, 1]);
  const lines = (await readFile(deadLetters, "utf8")).trimEnd().split("\n");
  const letters = lines.map((line) => JSON.parse(line) as DeadLetter);
  expect(letters).toMatchObject([
    { event: { subject: "odd" }, reason: "HTTP 422", attempts: 1 },
    { event: { subject: "broken", data: { sequence: "1" } }, reason: "HTTP 500", attempts: 3 },
    { event: { subject: "broken", data: { sequence: "2" } }, reason: "HTTP 500", attempts: 3 },
  ]);

  // When the target is mended, they are sent again, as what they were.
  statuses["odd"] = statuses["broken"] = 204;
  const again: CloudEvent[] = [];
  for await (const event of readDeadLetters(deadLetters)) again.push(event);
  await feedTo(target.url, [{ events: again, cursor: "" }]).done;
  expect(cameOf("odd")[1]!.body).toBe(cameOf("odd")[0]!.body);
  expect(cameOf("broken").at(-1)!.body).toBe(JSON.stringify(pieces[1]!.events[0]));
});

test("each dead letter is on a line of its own, whatever it says and whatever was cut before", async () => {
  const path = join(await temporaryFolder(), "dead.ndjson");
  const odd = Object.assign(entryOf("ada", 1), { metadata: { note: "a\u2028b" } });
  const [event] = pieceOf([odd], 1).events;
  const letter = { time: "2026-11-29T00:00:00Z", reason: "HTTP 422", attempts: 1, event: event! };
  await (
    await openDeadLetters(path)
  )(letter);
  // A disk that is full takes a part.
  await appendFile(path, '{"time":"2026');
  await (
    await openDeadLetters(path)
  )(letter);
  const line = JSON.stringify(letter);
  expect(await readFile(path, "utf8")).toBe(`${line}\n{"time":"2026\n${line}\n`);
  const events: CloudEvent[] = [];
  const reading = (async () => {
    for await (const one of readDeadLetters(path)) events.push(one);
  })();
  await expect(reading).rejects.toThrow(`line 2 of ${path} is not a dead letter`);
  expect(events).toEqual([event]);
});

test("without dead letters, what is refused is tried until it is taken", async () => {
  let left = 5;
  const target = await webhookTarget(() => ({ status: left-- > 0 ? 400 : 204 }));
  const feed = feedTo(target.url, [pieceOf([entryOf("ada", 1)], 1)], {
    limits: { ...QUICK, giveUpMs: 0 },
  });
  await feed.done;
  expect(target.came).toHaveLength(6);
});

test("a target that is gone ends the feed, before what it did not take", async () => {
  const target = await webhookTarget(({ event }) => ({
    status: sequenceOf(event) < 3 ? 204 : 410,
  }));
  const pieces = [1, 2, 3, 4].map((sequence) => pieceOf([entryOf("ada", sequence)], sequence));
  const feed = feedTo(target.url, pieces);
  await expect(feed.done).rejects.toThrow("the target wants no more events (HTTP 410)");
  expect(target.came).toHaveLength(3);
  expect(feed.stored.at(-1)).toBe("2");
});

test("a feed that is told to stop ends with what is under way, and tries nothing again", async () => {
  const target = await webhookTarget(({ event }) => {
    return { status: event.subject === "ada" ? 204 : 500 };
  });
  const pieces = [pieceOf([entryOf("ada", 1)], 1), pieceOf([entryOf("bob", 1)], 2)];
  const feed = feedTo(target.url, pieces, {
    limits: { ...QUICK, backoffMs: 1e9, backoffMaxMs: 1e9 },
  });
  await until("bob's entry has failed", () => feed.said.length === 1);
  feed.ending.abort(STOPPED);
  await feed.done;
  expect(target.came).toHaveLength(2);
  expect(feed.stored).toEqual(["1"]);
});

test("a cursor that cannot be stored ends the feed", async () => {
  const ending = new AbortController();
  const store = () => Promise.reject(new Error("the disk is full"));
  const sink = { send: async () => {}, room: async () => {} };
  const pieces = each([pieceOf([], 1), pieceOf([], 2)]);
  await expect(relay({ pieces, sink, store, ending })).rejects.toThrow("the disk is full");
});
