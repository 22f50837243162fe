import { describe, expect, test } from "vitest";
import {
  type Config,
  ConfigError,
  describeConfig,
  readConfig,
} from "../../src/config/environment.ts";

const DEFAULTS: Config = {
  listen: { host: "127.0.0.1", port: 50051 },
  insecure: undefined,
  tlsCert: undefined,
  tlsKey: undefined,
  tlsClientCa: undefined,
  callers: undefined,
  jwtKeys: undefined,
  jwtIssuer: undefined,
  jwtAudience: undefined,
  adminListen: undefined,
  databaseUrl: undefined,
  databaseSchema: "points",
  prices: undefined,
  policies: undefined,
  dataDir: ".points",
  durability: "warn",
  migrate: true,
  serverRole: undefined,
  testClock: false,
  project: true,
  console: true,
  consoleLabel: undefined,
  consoleClientId: undefined,
  consoleScopes: "openid profile",
  searchKeys: undefined,
  readsUrl: undefined,
  sweepSeconds: 300,
  workers: 1,
  lanes: 2,
  batchMaxOps: 500,
  queueMaxOps: 10_000,
  deadlineDefaultMs: 5_000,
  deadlineMaxMs: 60_000,
  lameDuckMs: 0,
  drainMs: 10_000,
  messageMaxBytes: 1_048_576,
  messageSingleMaxBytes: 65_536,
  messageOutMaxBytes: 4_194_304,
  headerMaxBytes: 16_384,
  bodyMs: 30_000,
  idleMs: 300_000,
  keepAliveMs: 60_000,
  connectionsMax: 10_000,
  connectionsMaxPerPeer: 1_000,
  streamsMaxPerConnection: 256,
  resetsMaxBurst: 1_000,
  resetsMaxPerSecond: 33,
  callerMaxPerSecond: 10_000,
  logLevel: "info",
  otlpEndpoint: undefined,
};

const WHOLE_NUMBERS = [
  { name: "SWEEP_SECONDS", key: "sweepSeconds", min: 1, max: 86_400 },
  { name: "WORKERS", key: "workers", min: 1, max: 64 },
  { name: "LANES", key: "lanes", min: 1, max: 64 },
  { name: "BATCH_MAX_OPS", key: "batchMaxOps", min: 1, max: 10_000 },
  { name: "QUEUE_MAX_OPS", key: "queueMaxOps", min: 1, max: 1_000_000 },
  { name: "DEADLINE_DEFAULT_MS", key: "deadlineDefaultMs", min: 1, max: 3_600_000 },
  { name: "DEADLINE_MAX_MS", key: "deadlineMaxMs", min: 1, max: 3_600_000 },
  { name: "LAMEDUCK_MS", key: "lameDuckMs", min: 0, max: 600_000 },
  { name: "DRAIN_MS", key: "drainMs", min: 0, max: 600_000 },
  { name: "MESSAGE_MAX_BYTES", key: "messageMaxBytes", min: 1_024, max: 67_108_864 },
  {
    name: "MESSAGE_SINGLE_MAX_BYTES",
    key: "messageSingleMaxBytes",
    min: 1_024,
    max: 67_108_864,
  },
  { name: "MESSAGE_OUT_MAX_BYTES", key: "messageOutMaxBytes", min: 65_536, max: 67_108_864 },
  { name: "HEADER_MAX_BYTES", key: "headerMaxBytes", min: 4_096, max: 1_048_576 },
  { name: "BODY_MS", key: "bodyMs", min: 100, max: 600_000 },
  { name: "IDLE_MS", key: "idleMs", min: 1_000, max: 86_400_000 },
  { name: "KEEPALIVE_MS", key: "keepAliveMs", min: 1_000, max: 86_400_000 },
  { name: "CONNECTIONS_MAX", key: "connectionsMax", min: 1, max: 1_000_000 },
  { name: "CONNECTIONS_MAX_PER_PEER", key: "connectionsMaxPerPeer", min: 1, max: 1_000_000 },
  { name: "STREAMS_MAX_PER_CONNECTION", key: "streamsMaxPerConnection", min: 1, max: 10_000 },
  { name: "RESETS_MAX_BURST", key: "resetsMaxBurst", min: 1, max: 1_000_000 },
  { name: "RESETS_MAX_PER_SECOND", key: "resetsMaxPerSecond", min: 1, max: 1_000_000 },
  { name: "CALLER_MAX_PER_SECOND", key: "callerMaxPerSecond", min: 1, max: 1_000_000 },
] as const;

describe("the configuration", () => {
  test("has these defaults", () => {
    expect(readConfig({})).toEqual(DEFAULTS);
  });

  test("treats an empty variable as unset", () => {
    const names = describeConfig().match(/^ {2}[A-Z_]+/gm)!;
    expect(names).toHaveLength(Object.keys(DEFAULTS).length);
    const empty = Object.fromEntries(names.map((name) => [name.trim(), ""]));
    expect(readConfig(empty)).toEqual(DEFAULTS);
  });

  test("ignores unknown variables", () => {
    expect(readConfig({ PORT: "1", listen: "no", LANE: "0" })).toEqual(DEFAULTS);
  });

  test.each([
    { text: "127.0.0.1:0", host: "127.0.0.1", port: 0 },
    { text: "0.0.0.0:65535", host: "0.0.0.0", port: 65_535 },
    { text: "localhost:50051", host: "localhost", port: 50_051 },
    { text: "points.internal:1", host: "points.internal", port: 1 },
    { text: "[::1]:50051", host: "::1", port: 50_051 },
    { text: "[::]:0", host: "::", port: 0 },
    { text: "[fe80::1%eth0]:80", host: "fe80::1%eth0", port: 80 },
  ])("LISTEN takes $text", ({ text, host, port }) => {
    expect(readConfig({ LISTEN: text }).listen).toEqual({ host, port });
  });

  test.each([
    "50051",
    ":50051",
    "localhost",
    "localhost:",
    "localhost:65536",
    "localhost:-1",
    "localhost:1.5",
    "localhost:http",
    "localhost:0x50",
    "localhost: 80",
    "http://localhost:80",
    "::1:50051",
    "[::1]",
    "[localhost]:80",
    "[127.0.0.1]:80",
    "[]:80",
  ])("LISTEN refuses %s", (text) => {
    expectWrong({ LISTEN: text }, [`LISTEN=${text}: takes host:port`]);
  });

  test.each([
    { text: "0.0.0.0:9000", adminListen: { host: "0.0.0.0", port: 9_000 } },
    { text: "off", adminListen: "off" },
  ])("ADMIN_LISTEN takes $text", ({ text, adminListen }) => {
    expect(readConfig({ ADMIN_LISTEN: text }).adminListen).toEqual(adminListen);
  });

  test.each(["on", "9000", "OFF", "localhost"])("ADMIN_LISTEN refuses %s", (text) => {
    expectWrong({ ADMIN_LISTEN: text }, [`ADMIN_LISTEN=${text}: takes host:port or off`]);
  });

  test.each([
    "postgresql://points:secret@localhost:5432/points",
    "postgres://points@localhost/points",
    "postgresql://points@%2Ftmp%2Fpoints-1:5432/points",
    "postgresql://points@[::1]:5432/points?sslmode=require",
  ])("DATABASE_URL takes %s", (text) => {
    expect(readConfig({ DATABASE_URL: text }).databaseUrl).toBe(text);
  });

  test.each([
    "mysql://points:hunter2@localhost/points",
    "hunter2@localhost/points",
    "postgresql:hunter2",
    "postgresql://",
    "postgresql://points:hun ter2@localhost/points",
    "postgresql://points:hunter2@localhost",
    "postgresql://points:hunter2@localhost:port/points",
    "postgresql://points:hunter2/3@localhost/points",
    "postgresql://points:hunter2%zz@localhost/points",
  ])("DATABASE_URL refuses %s, and does not print it", (text) => {
    expectWrong({ DATABASE_URL: text }, [
      "DATABASE_URL=…: takes postgresql://user:password@host:port/database",
    ]);
  });

  test("DATA_DIR takes any folder", () => {
    expect(readConfig({ DATA_DIR: "/var/lib/my points" }).dataDir).toBe("/var/lib/my points");
  });

  test.each([
    { text: "on", migrate: true },
    { text: "off", migrate: false },
  ])("MIGRATE takes $text", ({ text, migrate }) => {
    expect(readConfig({ MIGRATE: text }).migrate).toBe(migrate);
  });

  test.each(["true", "false", "1", "ON", "toString", "constructor", "__proto__"])(
    "MIGRATE refuses %s",
    (text) => expectWrong({ MIGRATE: text }, [`MIGRATE=${text}: takes on or off`]),
  );

  test.each([
    { text: "1", testClock: true },
    { text: "0", testClock: false },
  ])("TEST_CLOCK takes $text", ({ text, testClock }) => {
    expect(readConfig({ TEST_CLOCK: text }).testClock).toBe(testClock);
  });

  test.each(["on", "true", "2", "01"])("TEST_CLOCK refuses %s", (text) => {
    expectWrong({ TEST_CLOCK: text }, [`TEST_CLOCK=${text}: takes 0 or 1`]);
  });

  test("TEST_CLOCK refuses a database that is not its own", () => {
    const DATABASE_URL = "postgresql://points@localhost/points";
    expectWrong({ TEST_CLOCK: "1", DATABASE_URL }, [
      "TEST_CLOCK=1: takes no DATABASE_URL, for it is for tests on a PostgreSQL of its own",
    ]);
    expect(readConfig({ TEST_CLOCK: "0", DATABASE_URL }).databaseUrl).toBe(DATABASE_URL);
  });

  describe.each(WHOLE_NUMBERS)("$name", ({ name, key, min, max }) => {
    test(`takes ${min} to ${max}`, () => {
      expect(readConfig({ [name]: String(min) })[key]).toBe(min);
      expect(readConfig({ [name]: String(max) })[key]).toBe(max);
      expect(readConfig({ [name]: `0${min}` })[key]).toBe(min);
    });

    test.each([
      String(min - 1),
      String(max + 1),
      `${min}.5`,
      `-${min + 1}`,
      `+${min}`,
      ` ${min}`,
      `${min}ms`,
      "1e3",
      "0x400",
      "many",
      "NaN",
      "Infinity",
      "9".repeat(30),
    ])("refuses %j", (text) => {
      expectWrong({ [name]: text }, [`${name}=${text}: takes ${min} to ${max}`]);
    });
  });

  test.each(["fatal", "error", "warn", "info", "debug", "trace", "silent"])(
    "LOG_LEVEL takes %s",
    (text) => expect(readConfig({ LOG_LEVEL: text }).logLevel).toBe(text),
  );

  test.each(["http://localhost:4318", "https://traces.internal/otlp"])(
    "OTEL_EXPORTER_OTLP_ENDPOINT takes %s",
    (text) => expect(readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: text }).otlpEndpoint).toBe(text),
  );

  test.each(["localhost:4318", "http://", "grpc://localhost:4317"])(
    "OTEL_EXPORTER_OTLP_ENDPOINT refuses %s",
    (text) => {
      const name = "OTEL_EXPORTER_OTLP_ENDPOINT";
      expectWrong({ [name]: text }, [`${name}=${text}: takes http(s)://host:port`]);
    },
  );

  test.each(["INFO", "verbose", "30", "info "])("LOG_LEVEL refuses %j", (text) => {
    expectWrong({ LOG_LEVEL: text }, [
      `LOG_LEVEL=${text}: takes fatal, error, warn, info, debug, trace or silent`,
    ]);
  });

  test.each(["deny", "true", "Allow", "on"])("INSECURE refuses %s", (text) => {
    expectWrong({ INSECURE: text }, [`INSECURE=${text}: takes allow or metrics`]);
  });

  const tls = { TLS_CERT: "a.crt", TLS_KEY: "a.key" };
  const jwt = { JWT_KEYS: "keys.json", JWT_ISSUER: "https://issuer", JWT_AUDIENCE: "points" };
  test.each([
    { given: { TLS_CERT: "a.crt" }, wrong: "TLS_CERT and TLS_KEY: take each other" },
    { given: { TLS_KEY: "a.key" }, wrong: "TLS_CERT and TLS_KEY: take each other" },
    {
      given: { ...tls, TLS_CLIENT_CA: "ca.crt" },
      wrong: "TLS_CLIENT_CA: takes TLS_CERT, TLS_KEY and CALLERS beside it",
    },
    {
      given: { CALLERS: "callers.yaml", TLS_CLIENT_CA: "ca.crt" },
      wrong: "TLS_CLIENT_CA: takes TLS_CERT, TLS_KEY and CALLERS beside it",
    },
    ...Object.keys(jwt).map((name) => ({
      given: { ...jwt, [name]: "" },
      wrong: "JWT_KEYS, JWT_ISSUER and JWT_AUDIENCE: take each other",
    })),
    {
      given: { READS_URL: "postgresql://points@standby/points" },
      wrong: "READS_URL: takes DATABASE_URL beside it",
    },
  ])("refuses $given, an incomplete group", ({ given, wrong }) => {
    expectWrong(given, [wrong]);
  });

  test("takes complete groups", () => {
    const all = { ...tls, ...jwt, TLS_CLIENT_CA: "ca.crt", CALLERS: "callers.yaml" };
    expect(readConfig(all)).toMatchObject({ tlsClientCa: "ca.crt", jwtIssuer: "https://issuer" });
  });

  test.each([
    "keys.json",
    "/etc/keys",
    "https://id.example/keys",
    "http://127.0.0.1:1/keys",
    "http://[::1]/",
  ])("JWT_KEYS takes %s", (text) =>
    expect(readConfig({ ...jwt, JWT_KEYS: text }).jwtKeys).toBe(text),
  );

  test.each([
    "http://id.example/keys",
    "http://127.0.0.1.example/",
    "ftp://id.example/",
    "https://",
  ])("JWT_KEYS refuses %s, which could be changed on the way", (text) => {
    const wrong = `JWT_KEYS=${text}: takes a file or an https URL`;
    expectWrong({ ...jwt, JWT_KEYS: text }, [wrong]);
  });

  test.each([
    { text: "on", console: true },
    { text: "off", console: false },
  ])("CONSOLE takes $text", ({ text, console }) => {
    expect(readConfig({ CONSOLE: text }).console).toBe(console);
  });

  test.each([
    { text: "staging", label: { colour: "gray", word: "staging" } },
    { text: "red:production", label: { colour: "red", word: "production" } },
    { text: "teal:测试环境 2", label: { colour: "teal", word: "测试环境 2" } },
  ])("CONSOLE_LABEL takes $text", ({ text, label }) => {
    expect(readConfig({ CONSOLE_LABEL: text }).consoleLabel).toEqual(label);
  });

  test.each(["pink:staging", "red:", ":staging", "a:b:c", "a\nb", "w".repeat(33)])(
    "CONSOLE_LABEL refuses %j",
    (text) => {
      const wrong = `CONSOLE_LABEL=${text}: takes a word, or gray, red, orange, yellow, green, teal, blue or violet:word`;
      expectWrong({ CONSOLE_LABEL: text }, [wrong]);
    },
  );

  test.each([{ JWT_ISSUER: "" }, { JWT_ISSUER: "points" }, { JWT_ISSUER: "http://id.example" }])(
    "CONSOLE_CLIENT_ID refuses $JWT_ISSUER as an issuer that people sign in at",
    (issuer) => {
      const others = issuer.JWT_ISSUER === "" ? {} : { ...jwt, ...issuer };
      const wrong = "CONSOLE_CLIENT_ID: takes JWT_ISSUER, an https URL, beside it";
      expectWrong({ ...others, CONSOLE_CLIENT_ID: "console" }, [wrong]);
    },
  );

  test.each(["https://id.example/realms/a", "http://127.0.0.1:8080/", "http://localhost:1"])(
    "CONSOLE_CLIENT_ID takes the issuer %s",
    (JWT_ISSUER) => {
      const set = { ...jwt, JWT_ISSUER, CONSOLE_CLIENT_ID: "console" };
      expect(readConfig(set).consoleClientId).toBe("console");
    },
  );

  test.each(["", "openid", "openid profile offline_access api://points/points.read"])(
    "CONSOLE_SCOPES takes %j",
    (text) => {
      expect(readConfig({ CONSOLE_SCOPES: text }).consoleScopes).toBe(text || "openid profile");
    },
  );

  test.each(["openid  profile", " openid", "openid,\tprofile"])(
    "CONSOLE_SCOPES refuses %j",
    (text) => {
      expectWrong({ CONSOLE_SCOPES: text }, [`CONSOLE_SCOPES=${text}: takes scopes by spaces`]);
    },
  );

  test("READS_URL takes hosts of which none has to be the primary", () => {
    const DATABASE_URL = "postgresql://points@primary/points";
    const READS_URL = "postgresql://points@one,two/points";
    const wrong = "READS_URL=…: target_session_attrs takes standby or any here";
    expectWrong({ DATABASE_URL, READS_URL }, [wrong]);
    expectWrong({ DATABASE_URL, READS_URL: `${READS_URL}?target_session_attrs=primary` }, [wrong]);
    const right = `${READS_URL}?target_session_attrs=standby`;
    expect(readConfig({ DATABASE_URL, READS_URL: right }).readsUrl).toBe(right);
  });

  test("names all mistakes at once", () => {
    const right = { SWEEP_SECONDS: "5" };
    const wrong = { LISTEN: "here", MIGRATE: "maybe", LANES: "0", DRAIN_MS: "long" };
    expectWrong({ ...right, ...wrong }, [
      "LISTEN=here: takes host:port",
      "MIGRATE=maybe: takes on or off",
      "LANES=0: takes 1 to 64",
      "DRAIN_MS=long: takes 0 to 600000",
    ]);
  });
});

function expectWrong(environment: NodeJS.ProcessEnv, lines: readonly string[]): void {
  const read = () => readConfig(environment);
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(new ConfigError(lines.join("\n")));
}
