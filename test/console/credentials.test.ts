import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  credentials,
  type Renewal,
  signInWith,
  tokenForCall,
  tokenRefused,
  tokenTaken,
} from "../../console/app/credentials.ts";

/** A renewal whose end is in the test's hands. */
function openRenewal(dueMs: number) {
  const { promise, resolve, reject } = Promise.withResolvers<
    | {
        token: string;
        renewal: Renewal | undefined;
      }
    | undefined
  >();
  let times = 0;
  const renewal: Renewal = {
    dueMs,
    renew() {
      times += 1;
      return promise;
    },
  };
  return { renewal, resolve, reject, times: () => times };
}

const NEVER = Number.POSITIVE_INFINITY;

beforeEach(() => signInWith(undefined));

describe("a token that is to be renewed", () => {
  test("is renewed once for all calls, before they are made", async () => {
    const { renewal, resolve, times } = openRenewal(0);
    signInWith("old", { person: "Li", renewal });
    const calls = [tokenForCall(), tokenForCall()];
    resolve({ token: "new", renewal: undefined });
    expect(await Promise.all(calls)).toEqual(["new", "new"]);
    expect(times()).toBe(1);
    expect(credentials()).toMatchObject({ token: "new", person: "Li", isRefused: false });
  });

  test("is sent as it is if the issuer gives none, until the server refuses it", async () => {
    const { renewal, resolve } = openRenewal(0);
    signInWith("old", { renewal });
    const call = tokenForCall();
    resolve(undefined);
    expect(await call).toBe("old");
    tokenRefused("old");
    expect(credentials()).toMatchObject({ token: "old", isRefused: true });
  });

  test("is renewed when the server refuses it early, and nobody is asked", async () => {
    const { renewal, resolve } = openRenewal(NEVER);
    signInWith("old", { renewal });
    tokenRefused("old");
    resolve({ token: "new", renewal: undefined });
    await expect.poll(() => credentials()).toMatchObject({ token: "new", isRefused: false });
  });

  test("is refused at last if it cannot be renewed then", async () => {
    const { renewal, resolve } = openRenewal(NEVER);
    signInWith("old", { renewal });
    tokenRefused("old");
    resolve(undefined);
    await expect.poll(() => credentials()).toMatchObject({ token: "old", isRefused: true });
  });

  test("is refused at last if the issuer gives the same one", async () => {
    let times = 0;
    const renewal: Renewal = {
      dueMs: NEVER,
      renew() {
        times += 1;
        return Promise.resolve({ token: "old", renewal });
      },
    };
    signInWith("old", { renewal });
    tokenRefused("old");
    await expect.poll(() => credentials().isRefused).toBe(true);
    expect(times).toBe(1);
    expect(credentials().renewal).toBeUndefined();
  });

  test("is refused at last if the server takes none of what comes in its place", async () => {
    let times = 0;
    const renew = () =>
      Promise.resolve({ token: `new-${++times}`, renewal: { dueMs: NEVER, renew } });
    signInWith("old", { renewal: { dueMs: NEVER, renew } });
    tokenRefused("old");
    await expect.poll(() => credentials().token).toBe("new-1");
    tokenTaken("new-1");
    tokenRefused("new-1");
    await expect.poll(() => credentials().token).toBe("new-2");
    tokenRefused("new-2");
    expect(credentials()).toMatchObject({ token: "new-2", isRefused: true });
  });

  test("is renewed later where the network was lost for a moment", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const answers = [Promise.reject(new TypeError("Failed to fetch")), Promise.resolve("new")];
    const renew = async () => ({ token: await answers.shift()!, renewal: undefined });
    signInWith("old", { renewal: { dueMs: 0, renew } });
    expect(await tokenForCall()).toBe("old");
    expect(await tokenForCall()).toBe("old");
    tokenRefused("old");
    vi.setSystemTime(Date.now() + 6_000);
    expect(await tokenForCall()).toBe("new");
    expect(credentials().isRefused).toBe(false);
  });

  test("does not come back after somebody signed out", async () => {
    const { renewal, resolve } = openRenewal(0);
    signInWith("old", { renewal });
    const call = tokenForCall();
    signInWith(undefined);
    resolve({ token: "new", renewal: undefined });
    expect(await call).toBeUndefined();
    expect(credentials().token).toBeUndefined();
  });
});

test("the refusal of a token that was replaced says nothing of the new one", () => {
  signInWith("new");
  tokenRefused("old");
  expect(credentials().isRefused).toBe(false);
});
