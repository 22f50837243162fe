import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { pino } from "pino";
import { expect, test } from "vitest";
import { reasonOf } from "../../src/errors/api-error.ts";
import { errorTranslation, errorTranslator } from "../../src/rpc/interceptors.ts";

type Request = Parameters<ReturnType<Interceptor>>[0];

/** What a call fails with that waits as a handler does, and what is logged of it. */
async function failureOf(wait: (signal: AbortSignal) => Promise<unknown>, reason: unknown) {
  const logged: string[] = [];
  const log = pino({}, { write: (line: string) => void logged.push(line) });
  const call = new AbortController();
  const handler = errorTranslation(errorTranslator(log, () => {}))(async ({ signal }) => {
    await wait(signal);
    throw new Error("it did not wait");
  });
  const answer = Promise.resolve(handler({ signal: call.signal } as Request));
  call.abort(reason);
  const error = ConnectError.from(await answer.catch((thrown: unknown) => thrown));
  return { code: error.code, reason: reasonOf(error), logged };
}

// GetForecast waits for its turn, and GetAccount looks at the signal between two pages.
const WAITS = [
  ["waits", (signal: AbortSignal) => sleep(60_000, undefined, { signal })],
  [
    "looks at the signal",
    async (signal: AbortSignal) => {
      await sleep(0);
      signal.throwIfAborted();
    },
  ],
] as const;

test.each(WAITS)("a read that %s is late or given up, and no bug", async (_, wait) => {
  expect(await failureOf(wait, new ConnectError("late", Code.DeadlineExceeded))).toEqual({
    code: Code.DeadlineExceeded,
    reason: "DEADLINE_EXCEEDED",
    logged: [],
  });
  for (const reason of [new ConnectError("gone", Code.Aborted), undefined]) {
    expect(await failureOf(wait, reason)).toEqual({
      code: Code.Canceled,
      reason: "CANCELLED",
      logged: [],
    });
  }
});

test("what gives up by a signal of its own is a bug still", async () => {
  const own = () => Promise.reject(new DOMException("other", "AbortError"));
  const late = new AbortController();
  const handler = errorTranslation((thrown) => ConnectError.from(thrown, Code.Internal))(own);
  await expect(handler({ signal: late.signal } as Request)).rejects.toMatchObject({
    rawMessage: "other",
  });
});
