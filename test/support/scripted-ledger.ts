import { createHash } from "node:crypto";
import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type Entry, EntryKind, EntrySchema } from "../../gen/points/v1/account_pb.ts";
import {
  type EpochChangeSchema,
  LedgerService,
  type StreamEntriesRequest,
  type StreamEntriesResponse,
  StreamEntriesResponseSchema,
} from "../../gen/points/v1/ledger_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";

/** A server with a LedgerService whose stream a test writes: what no real ledger does on demand. */
export type ScriptedLedger = {
  readonly baseUrl: string;
  /** What was asked for, in order. */
  readonly requests: readonly StreamEntriesRequest[];
  /** Adds a message to the stream. Its cursor is the number of messages up to it. */
  push(message: Scripted): void;
  /** Breaks all connections. */
  cut(): void;
  /** Does not say which ledger it is the next time that it is asked. */
  refuseOnce(): void;
};

/** A message of the stream. The feed numbers are those of its entries. */
export type Scripted = {
  readonly epoch?: bigint;
  readonly entries?: Entry[];
  readonly epochChange?: MessageInitShape<typeof EpochChangeSchema>;
};

/** Starts one, until the end of the test. */
export async function scriptedLedger(ledgerId = "ledger-1"): Promise<ScriptedLedger> {
  const messages: StreamEntriesResponse[] = [];
  const requests: StreamEntriesRequest[] = [];
  let more = Promise.withResolvers<void>();

  async function* streamEntries(request: StreamEntriesRequest) {
    requests.push(request);
    const from = request.cursor === "" ? messages.length : Number(request.cursor);
    if (!Number.isSafeInteger(from) || from > messages.length) throw cursorInvalid();
    // As a server does, it says at once where the stream stands.
    yield create(StreamEntriesResponseSchema, { cursor: String(from) });
    for (let next = from; ; next += 1) {
      while (next === messages.length) await more.promise;
      yield messages[next]!;
    }
  }

  let refuses = false;
  const getLedger = () => {
    const isRefused = refuses;
    refuses = false;
    if (isRefused) throw new ConnectError("draining", Code.Unavailable);
    return { ledgerId };
  };

  const { baseUrl, cut } = await serveLedger({ getLedger, streamEntries });
  return {
    baseUrl,
    requests,
    push({ entries = [], epoch = 1n, epochChange }) {
      const cursor = String(messages.length + 1);
      const feeds = entries.map(() => BigInt(cursor));
      const said = { entries, feeds, epoch, cursor, ...(epochChange && { epochChange }) };
      messages.push(create(StreamEntriesResponseSchema, said));
      const waiting = more;
      more = Promise.withResolvers();
      waiting.resolve();
    },
    refuseOnce() {
      refuses = true;
    },
    cut,
  };
}

/** Serves methods of a LedgerService that a test writes, and of a PointsService, until its end. */
export async function serveLedger(
  methods: Partial<ServiceImpl<typeof LedgerService>>,
  points: Partial<ServiceImpl<typeof PointsService>> = {},
): Promise<{ readonly baseUrl: string; cut(): void }> {
  const sessions = new Set<ServerHttp2Session>();
  const routes = connectNodeAdapter({
    routes: (router) => router.service(LedgerService, methods).service(PointsService, points),
  });
  const server = createServer(routes);
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const cut = () => sessions.forEach((session) => session.destroy());
  onTestFinished(() => {
    cut();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { baseUrl: `http://127.0.0.1:${port}`, cut };
}

/** An entry of a user, whose hash is made of both numbers and a word. */
export function entryOf(userId: string, sequence: number, life = ""): Entry {
  const hash = createHash("sha256").update(`${userId} ${sequence} ${life}`).digest();
  return create(EntrySchema, {
    userId,
    sequence: BigInt(sequence),
    kind: EntryKind.CONSUME,
    points: 5n,
    hash,
    createTime: timestampFromMs(1_800_000_000_000 + sequence),
    metadata: { for: "配音 🎧" },
  });
}

function cursorInvalid(): ConnectError {
  const info = { reason: "CURSOR_INVALID", domain: "points.v1", metadata: {} };
  const details = [{ desc: ErrorInfoSchema, value: info }];
  return new ConnectError(
    "the cursor is not of this ledger",
    Code.InvalidArgument,
    undefined,
    details,
  );
}
