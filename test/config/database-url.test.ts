import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import {
  databasePlace,
  DatabaseUrlError,
  parseDatabaseUrl,
} from "../../src/config/database-url.ts";

const read = (text: string, environment = {}) => parseDatabaseUrl(text, environment);

describe("a DATABASE_URL", () => {
  test("has libpq's defaults, but wants a writable server among several hosts", () => {
    expect(read("postgresql://ada:s3cret@db/points")).toEqual({
      hosts: [{ host: "db", port: 5432 }],
      database: "points",
      user: "ada",
      password: "s3cret",
      applicationName: "points",
      options: undefined,
      connectMs: 5_000,
      sessionAttributes: "any",
      tls: {
        mode: "prefer",
        rootCertificate: undefined,
        certificate: undefined,
        key: undefined,
        channelBinding: false,
      },
    });
    const several = "postgresql://ada@db,db2/points";
    expect(read(several).sessionAttributes).toBe("read-write");
    expect(read(`${several}?target_session_attrs=any`).sessionAttributes).toBe("any");
  });

  test.each<[text: string, place: string]>([
    ["postgresql:///points", "localhost:5432/points"],
    ["postgresql://[::1]/points", "[::1]:5432/points"],
    ["postgresql://[::1]:6432,[fe80::1],db:1/points", "[::1]:6432,[fe80::1]:5432,db:1/points"],
    ["postgresql://%2Frun%2Fpg/points", "/run/pg:5432/points"],
    ["postgresql://one,two:5433/points", "one:5432,two:5433/points"],
    ["postgresql://one,two/points?port=7", "one:7,two:7/points"],
    ["postgresql://one/points?host=two,%2Ftmp&port=7,8", "two:7,/tmp:8/points"],
    ["postgresql://one:9/points?host=two&dbname=other", "two:9/other"],
    ["postgresql://one/p%C3%B6ints", "one:5432/pöints"],
  ])("%s names the place %s", (text, place) => {
    expect(databasePlace(read(text))).toBe(place);
  });

  test.each<[text: string, user: string | undefined, password: string | undefined]>([
    ["postgresql://ada:a+b%20c@db/points", "ada", "a+b c"],
    ["postgresql://ada:a@b:c#d@db/points", "ada", "a@b:c#d"],
    ["postgresql://ada@db/points?password=a+b%26c", "ada", "a+b&c"],
    ["postgresql://ada:old@db/points?user=eve&password=new", "eve", "new"],
    ["postgresql://db/points", undefined, undefined],
  ])("%s has user %s and password %s", (text, user, password) => {
    expect(read(text)).toMatchObject({ user, password });
  });

  test("overrides the environment, which supplies only what it lacks", () => {
    const environment = { PGUSER: "eve", PGPASSWORD: "other", PGPORT: "6432", PGHOST: "elsewhere" };
    expect(read("postgresql://ada:s3cret@db:5433/points", environment)).toMatchObject({
      hosts: [{ host: "db", port: 5433 }],
      user: "ada",
      password: "s3cret",
    });
    expect(read("postgresql:///points", environment)).toMatchObject({
      hosts: [{ host: "elsewhere", port: 6432 }],
      user: "eve",
      password: "other",
    });
  });

  test("of a socket ignores TLS settings of the environment", () => {
    const environment = { PGSSLMODE: "verify-ca", PGSSLCERT: "/x", PGCHANNELBINDING: "require" };
    const url = read("postgresql://points@%2Ftmp%2Fpoints-1:5432/points", environment);
    expect(url.tls).toMatchObject({ mode: "disable", certificate: undefined });
  });

  test.each([
    ["sslrootcert=system", { mode: "verify-full", rootCertificate: "system" }],
    ["sslmode=verify-full", { mode: "verify-full", rootCertificate: undefined }],
    ["sslmode=require&sslrootcert=ca.pem", { mode: "require", rootCertificate: "ca.pem" }],
    ["sslcert=a&sslkey=b", { mode: "prefer", certificate: "a", key: "b" }],
    ["ssl=true", { mode: "require" }],
    ["gssencmode=disable&client_encoding=utf8&channel_binding=prefer", { channelBinding: true }],
  ])("with %s sets TLS", (parameters, tls) => {
    expect(read(`postgresql://ada@db/points?${parameters}`).tls).toMatchObject(tls);
  });
});

describe("a DATABASE_URL is refused, and the error names the parameter", () => {
  const KNOWN =
    "host, port, user, password, dbname, connect_timeout, application_name, options, " +
    "client_encoding, target_session_attrs, sslmode, sslrootcert, sslcert, sslkey, " +
    "channel_binding, gssencmode";
  test.each([
    ["pgbouncer=true", `there is no parameter pgbouncer among those that it takes: ${KNOWN}`],
    ["hostaddr=127.0.0.1", `there is no parameter hostaddr among those that it takes: ${KNOWN}`],
    ["SSLMODE=require", `there is no parameter SSLMODE among those that it takes: ${KNOWN}`],
    ["%3Cb%3E=1", `there is no parameter … among those that it takes: ${KNOWN}`],
    ["toString=1", `there is no parameter toString among those that it takes: ${KNOWN}`],
    [
      "sslmode=no-verify",
      "sslmode (or PGSSLMODE) takes disable, allow, prefer, require, verify-ca or verify-full",
    ],
    ["sslmode=require&sslrootcert=system", "sslrootcert=system takes sslmode=verify-full"],
    ["sslmode=verify-ca", "sslmode=verify-ca takes sslrootcert, or else sslmode=verify-full"],
    ["sslcert=a", "sslcert and sslkey take each other"],
    ["sslkey=a", "sslcert and sslkey take each other"],
    [
      "connect_timeout=5s",
      "connect_timeout (or PGCONNECT_TIMEOUT) takes a whole number of seconds",
    ],
    ["client_encoding=latin1", "client_encoding takes UTF8"],
    ["gssencmode=require", "gssencmode (or PGGSSENCMODE) takes disable or prefer"],
    [
      "channel_binding=require",
      "channel_binding (or PGCHANNELBINDING) takes disable or prefer: " +
        "take sslmode=verify-full instead, by which the server proves who it is",
    ],
    [
      "target_session_attrs=prefer-standby",
      "target_session_attrs (or PGTARGETSESSIONATTRS) takes " +
        "any, read-write, read-only, primary or standby",
    ],
    ["port=1,2,3", "port takes one port for all hosts, or one for each"],
    ["port=0", "takes postgresql://user:password@host:port/database"],
    ["port=65536", "takes postgresql://user:password@host:port/database"],
    ["sslmode", "takes postgresql://user:password@host:port/database"],
    ["user=a=b", "takes postgresql://user:password@host:port/database"],
    ["user=%00", "takes postgresql://user:password@host:port/database"],
    ["user=%zz", "takes postgresql://user:password@host:port/database"],
  ])("with %s", (parameters, message) => {
    const text = `postgresql://ada:hunter2@one,two/points?${parameters}`;
    expect(() => read(text)).toThrow(new DatabaseUrlError(message));
  });

  test.each([
    "postgresql://ada:hunter2?x@db/points",
    "postgresql://ada:hun/ter2@db/points",
    "postgresql://ada:hunter2@::1/points",
    "postgresql://ada:hunter2@[::1/points",
    "postgresql://ada:hunter2@db",
    "postgresql://ada:hunter2@db/",
    "host=db user=ada password=hunter2",
  ])("%s, without its password", (text) => {
    const message = "takes postgresql://user:password@host:port/database";
    expect(() => read(text)).toThrow(new DatabaseUrlError(message));
  });
});

describe("the page on databases", async () => {
  const page = await readFile("docs/databases.md", "utf8");

  test("has URLs that can be parsed", () => {
    const urls = [...page.matchAll(/`(postgresql:\/\/[^`]+)`/g)].map(([, url]) => url!);
    expect(urls.length).toBeGreaterThan(5);
    for (const url of urls) expect(read(url).database).toBe("points");
  });

  test("has a table of the supported parameters", () => {
    const [, table] = /\n\| parameter [^]*?\n((?:\|.*\n)+)\n/.exec(page)!;
    const named = table!.split("\n").flatMap((row) => row.split("|")[1]?.match(/\w+/g) ?? []);
    const refused = () => read("postgresql://ada@db/points?nonsense=1");
    expect(refused).toThrow(/takes: /);
    const [, taken] = /takes: (.*)/.exec(messageOf(refused))!;
    expect(named.toSorted()).toEqual(taken!.split(", ").toSorted());
  });
});

function messageOf(work: () => unknown): string {
  try {
    work();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}
