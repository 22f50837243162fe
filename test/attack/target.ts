import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { testDatabase } from "../support/database.ts";
import { END_HEADERS, END_STREAM, type Field, frame, headerBlock, TYPE } from "./frames.ts";
import { GROWTH_MAX_MIB, serveApart } from "./served.ts";
import { HELLO, openWire } from "./wire.ts";

/** A server to attack, in its own process, with checks that it took no harm. */
export type Target = {
  readonly port: number;
  readonly baseUrl: string;
  /** The number of rows in each table. */
  rows(): Promise<unknown>;
  /** Fails if a valid request on a new connection is not answered. */
  expectAnswer(): Promise<void>;
  /** Fails if the server died, logged a bug, holds too much memory, or does not answer. */
  expectUnharmed(): Promise<void>;
  stop(): Promise<void>;
};

/**
 * Gives the tests of a file a target, which must answer after each test and be unharmed at the end.
 * It has its own database, in which "ada" has an account.
 *
 * @param environment of the server
 * @returns the target, while tests run
 */
export function useTarget(environment: Readonly<Record<string, string>> = {}): () => Target {
  let target: Target;
  beforeAll(async () => {
    target = await startTarget(environment);
  });
  afterEach(() => target.expectAnswer());
  afterAll(async () => {
    try {
      await target.expectUnharmed();
    } finally {
      await target.stop();
    }
  });
  return () => target;
}

async function startTarget(environment: Readonly<Record<string, string>>): Promise<Target> {
  const database = await testDatabase();
  const server = await serveApart({ ...environment, DATABASE_URL: database.url });
  const target: Target = {
    port: server.port,
    baseUrl: server.baseUrl,
    async rows() {
      const [row] = await database.query(`select
        (select count(*) from points.account) as accounts,
        (select count(*) from points.entry) as entries,
        (select count(*) from points.receipt) as receipts`);
      return row;
    },
    async expectAnswer() {
      const wire = openWire(server.port);
      wire.send(HELLO, headers(CALL), data(ADA));
      await wire.until(() => wire.outcome(1) !== undefined);
      wire.close();
      expect(server.ended() ?? wire.outcome(1)).toBe("200 grpc 0");
    },
    async expectUnharmed() {
      await target.expectAnswer();
      expect(server.ended()).toBeUndefined();
      expect(server.log()).not.toMatch(/"level":[56]0|Warning/);
      expect(server.memoryMib() - before).toBeLessThan(GROWTH_MAX_MIB);
    },
    async stop() {
      await server.stop();
      await database.close();
    },
  };
  await target.expectAnswer();
  const before = server.memoryMib();
  return target;
}

/** The headers of a valid GetOrCreate call. */
export const CALL: readonly Field[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/points.v1.PointsService/GetOrCreate"],
  [":authority", "points.localhost"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

/** The framed message of that call: `user_id: "ada"`. */
export const ADA = Buffer.from("\0\0\0\0\x05\x0a\x03ada", "latin1");

/** Those headers with one of them replaced. */
export function withField(name: string, value: string): Field[] {
  return CALL.map(([known, usual]) => [known, known === name ? value : usual]);
}

/** Those headers without one of them. */
export function without(name: string): Field[] {
  return CALL.filter(([known]) => known !== name);
}

/** A HEADERS frame. */
export function headers(fields: readonly Field[], stream = 1, flags = END_HEADERS): Buffer {
  return frame(TYPE.HEADERS, flags, stream, headerBlock(fields));
}

/** A DATA frame. */
export function data(bytes: Uint8Array, stream = 1, flags = END_STREAM): Buffer {
  return frame(TYPE.DATA, flags, stream, bytes);
}
