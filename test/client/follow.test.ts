import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import {
  createLedgerClient,
  EntryKind,
  followEntries,
  type FollowOptions,
  LedgerService,
  refusalOf,
  type StreamEntriesRequest,
} from "../../src/client/client.ts";

// Answers of a server, one call after another: cursors of messages, and how the call ends.

type Ending = ConnectError | "with OK" | "in silence";
type Call = readonly [cursors: readonly string[], ending: Ending];

const AWAY = new ConnectError("the database is away", Code.Unavailable);
const QUICK = { backoffMs: 1 };

/** A client of a server that answers so, and what the server saw. */
function served(...calls: readonly Call[]) {
  const asked: StreamEntriesRequest[] = [];
  const ended: number[] = [];
  const transport = createRouterTransport(
    ({ service }) =>
      service(LedgerService, {
        async *streamEntries(request, { signal }) {
          const number = asked.push(request) - 1;
          signal.addEventListener("abort", () => ended.push(number));
          const [cursors, ending] = calls[number]!;
          for (const cursor of cursors) yield { cursor };
          if (ending === "in silence") {
            await new Promise((over) => signal.addEventListener("abort", over));
          } else if (ending !== "with OK") throw ending;
        },
      }),
    { transport: { defaultTimeoutMs: 1 } },
  );
  return { ledger: createLedgerClient(transport), asked, ended };
}

/** The cursors of the first messages, after which the reader leaves. */
async function read(count: number, ledger: Ledger, options: FollowOptions = QUICK) {
  const cursors: string[] = [];
  for await (const { cursor } of followEntries(ledger, { cursor: "0" }, options)) {
    cursors.push(cursor);
    if (cursors.length === count) break;
  }
  return cursors;
}

type Ledger = ReturnType<typeof createLedgerClient>;

test("it asks again from the last cursor, with the same filters, however a call ends", async () => {
  const { ledger, asked } = served(
    [["1", "2"], AWAY],
    [[], AWAY],
    [["3"], "with OK"],
    [["4"], "in silence"],
  );
  const filters = { userIdPrefix: "eu-", kinds: [EntryKind.CONSUME], maxEntries: 7 };
  const cursors: string[] = [];
  for await (const { cursor } of followEntries(ledger, { cursor: "0", ...filters }, QUICK)) {
    if (cursors.push(cursor) === 4) break;
  }
  expect(cursors).toEqual(["1", "2", "3", "4"]);
  expect(asked.map(({ cursor }) => cursor)).toEqual(["0", "2", "2", "3"]);
  for (const request of asked) expect(request).toMatchObject(filters);
});

test("it asks again if the line is silent", async () => {
  // Each call is good for one message, which a slow machine may also miss.
  const transport = createRouterTransport(({ service }) =>
    service(LedgerService, {
      async *streamEntries({ cursor }, { signal }) {
        yield { cursor: String(Number(cursor) + 1) };
        await new Promise((over) => signal.addEventListener("abort", over));
      },
    }),
  );
  const options = { ...QUICK, silenceMaxMs: 20 };
  expect(await read(3, createLedgerClient(transport), options)).toEqual(["1", "2", "3"]);
});

test("it tells of another epoch", async () => {
  const epochChange = { endedEpoch: 1n, epoch: 2n, doubtedFromFeed: 77n };
  const transport = createRouterTransport(({ service }) =>
    service(LedgerService, {
      async *streamEntries() {
        yield { cursor: "1", epochChange };
      },
    }),
  );
  const follower = followEntries(createLedgerClient(transport), {});
  expect((await follower.next()).value).toMatchObject({ epochChange });
  await follower.return(undefined as never);
});

test("it throws what asking again does not mend", async () => {
  const bad = new ConnectError("this is no cursor", Code.InvalidArgument);
  const metadata = { outcome: "NOT_APPLIED" };
  const info = create(ErrorInfoSchema, { domain: "points.v1", reason: "CURSOR_INVALID", metadata });
  bad.details = [{ type: ErrorInfoSchema.typeName, value: toBinary(ErrorInfoSchema, info) }];
  const { ledger, asked } = served([["1"], bad]);
  const error = await read(2, ledger).then(() => undefined, refusalOf);
  expect(error).toMatchObject({ reason: "CURSOR_INVALID" });
  expect(asked).toHaveLength(1);
});

test("attempts are counted from the last message on", async () => {
  const { ledger, asked } = served(
    [[], AWAY],
    [["1"], AWAY],
    [[], AWAY],
    [["2"], AWAY],
    [[], AWAY],
    [[], AWAY],
  );
  const reading = read(3, ledger, { ...QUICK, attemptsMax: 3 });
  await expect(reading).rejects.toMatchObject({ code: Code.Unavailable });
  expect(asked.map(({ cursor }) => cursor)).toEqual(["0", "0", "1", "1", "2", "2"]);
});

test("a reader that leaves its loop ends the call", async () => {
  const { ledger, asked, ended } = served([["1", "2"], "in silence"]);
  expect(await read(1, ledger)).toEqual(["1"]);
  await expect.poll(() => ended).toEqual([0]);
  expect(asked).toHaveLength(1);
});

test.for<[when: string, call: Call, limits: FollowOptions]>([
  ["the server is silent", [["1"], "in silence"], {}],
  ["it waits to ask again", [["1"], AWAY], { backoffMs: 60_000, backoffMaxMs: 60_000 }],
])("its signal ends it while %s", async ([, call, limits]) => {
  const { ledger, asked } = served(call);
  const stop = new AbortController();
  const follower = followEntries(ledger, {}, { ...limits, signal: stop.signal });
  expect((await follower.next()).value).toMatchObject({ cursor: "1" });
  const next = follower.next();
  // By then it waits for the server or for its timer.
  setImmediate(() => setImmediate(() => stop.abort()));
  await expect(next).rejects.toMatchObject({ code: Code.Canceled });
  expect(asked).toHaveLength(1);
  const never = followEntries(ledger, {}, { signal: stop.signal });
  await expect(never.next()).rejects.toMatchObject({ code: Code.Canceled });
});
