import { beforeEach, describe, expect, test } from "vitest";
import {
  credentials,
  type Renewal,
  signInWith,
  tokenForCall,
  tokenRefused,
} from "../../console/app/credentials.ts";

/** A renewal whose end is in the test's hands. */
function openRenewal(dueMs: number) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    token: string;
    renewal: Renewal | undefined;
  }>();
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
    const { renewal, reject } = openRenewal(0);
    signInWith("old", { renewal });
    const call = tokenForCall();
    reject(new Error("the session has ended"));
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
    const { renewal, reject } = openRenewal(NEVER);
    signInWith("old", { renewal });
    tokenRefused("old");
    reject(new Error("the session has ended"));
    await expect.poll(() => credentials()).toMatchObject({ token: "old", isRefused: true });
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
