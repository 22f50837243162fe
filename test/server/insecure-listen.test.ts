import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/config/environment.ts";
import { checkInsecureListen } from "../../src/server/insecure-listen.ts";
import { runPoints } from "../support/processes.ts";

const TLS = { TLS_CERT: "a.crt", TLS_KEY: "a.key" };
const CALLERS = { CALLERS: "callers.yaml" };
const JWT = { JWT_KEYS: "keys.json", JWT_ISSUER: "us", JWT_AUDIENCE: "points" };

function check(environment: Record<string, string>) {
  return checkInsecureListen(readConfig(environment));
}

describe("the server listens without TLS and authentication", () => {
  test.each(["127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "localhost:1"])("on %s", (LISTEN) => {
    expect(check({ LISTEN })).toEqual([]);
  });

  test("elsewhere only where INSECURE=allow says so, and warns", () => {
    const open = { LISTEN: "0.0.0.0:1", INSECURE: "allow" };
    expect(check(open)[0]).toMatch(/0\.0\.0\.0, without TLS .* and authentication/);
    expect(check({ ...open, ...TLS })[0]).toMatch(/without authentication/);
    expect(check({ ...open, ...CALLERS })[0]).toMatch(/without TLS/);
  });
});

describe("other machines are listened to", () => {
  const addresses = [
    "0.0.0.0:1",
    "[::]:1",
    "10.0.0.1:1",
    "points.internal:1",
    "[::ffff:10.0.0.1]:1",
  ];
  test.each(addresses)("on %s with both", (LISTEN) => {
    expect(check({ LISTEN, ...TLS, ...CALLERS })).toEqual([]);
    expect(check({ LISTEN, ...TLS, ...JWT })).toEqual([]);
  });

  test.each(addresses)("on %s not without them", (LISTEN) => {
    expect(() => check({ LISTEN })).toThrow(
      "without TLS (TLS_CERT and TLS_KEY) and authentication",
    );
    expect(() => check({ LISTEN, ...TLS })).toThrow("without authentication (CALLERS or JWT_KEYS)");
    expect(() => check({ LISTEN, ...CALLERS })).toThrow("without TLS (TLS_CERT and TLS_KEY)");
  });
});

describe("the admin port, which has no authentication, is open", () => {
  test.each(["127.0.0.1:2", "[::1]:2", "off"])("to this machine: %s", (ADMIN_LISTEN) => {
    expect(check({ ADMIN_LISTEN })).toEqual([]);
  });

  test("to others only where INSECURE says so, and warns", () => {
    const open = { ADMIN_LISTEN: "0.0.0.0:2" };
    expect(() => check(open)).toThrow("INSECURE=metrics");
    for (const INSECURE of ["allow", "metrics"]) {
      expect(check({ ...open, INSECURE })[0]).toMatch(/can read the metrics at 0\.0\.0\.0/);
    }
    const both = { ...open, LISTEN: "0.0.0.0:1", INSECURE: "metrics" };
    expect(() => check(both)).toThrow("without TLS");
    expect(check({ ...both, ...TLS, ...CALLERS })).toHaveLength(1);
  });
});

test("a server with an insecure address does not start, and says what to do", async () => {
  const { code, stdout, stderr } = await runPoints({ LISTEN: "0.0.0.0:0" }).exit;
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(
    /^points: others than this machine can reach 0\.0\.0\.0, .*INSECURE=allow/,
  );
});
