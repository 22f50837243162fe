import { parseAddress } from "./address.ts";
import { DATABASE_SCHEMA, DATABASE_URL_TAKES } from "./database-url.ts";
import {
  isHttpUrl,
  isSafeKeysPlace,
  type Kind,
  oneOf,
  parseFlag,
  parseKeys,
  parseLabel,
  parseReadsUrl,
  parseSwitch,
  parseUrl,
  text,
  wholeNumber,
} from "./kinds.ts";

/** An environment variable. Without a default it is undefined when it is not set. */
export type Setting = {
  readonly variable: string;
  readonly about: string;
  readonly kind: Kind<unknown>;
  readonly default?: string | number;
};

/**
 * All settings, in the order of the help and of the README's table, which a test compares. The type
 * Config, the parser and the help follow from this table. Units come last in a name.
 */
export const SETTINGS = {
  listen: {
    variable: "LISTEN",
    about: "where to listen; port 0 picks a free one",
    kind: { takes: "host:port", parse: parseAddress },
    default: "127.0.0.1:50051",
  },
  insecure: {
    variable: "INSECURE",
    about:
      "listens to others though TLS or authentication is missing; metrics: on ADMIN_LISTEN alone",
    kind: oneOf("allow", "metrics"),
  },
  tlsCert: {
    variable: "TLS_CERT",
    about: "the server's certificate and its chain, read again when it changes",
    kind: text("a PEM file"),
  },
  tlsKey: {
    variable: "TLS_KEY",
    about: "the certificate's key, likewise",
    kind: text("a PEM file"),
  },
  tlsClientCa: {
    variable: "TLS_CLIENT_CA",
    about: "who signs the certificates that clients must show, likewise",
    kind: text("a PEM file"),
  },
  callers: {
    variable: "CALLERS",
    about: "who may call, and what; read again on SIGHUP; unset: everybody may do all",
    kind: text("a YAML file"),
  },
  jwtKeys: {
    variable: "JWT_KEYS",
    about: "the keys that sign JWTs of callers, a JWKS, read again now and then",
    kind: text("a file or an https URL", isSafeKeysPlace),
  },
  jwtIssuer: {
    variable: "JWT_ISSUER",
    about: "who must have issued a JWT",
    kind: text("a text"),
  },
  jwtAudience: {
    variable: "JWT_AUDIENCE",
    about: "for whom a JWT must have been issued",
    kind: text("a text"),
  },
  adminListen: {
    variable: "ADMIN_LISTEN",
    about: "where /metrics, /healthz and /readyz are; unset: 127.0.0.1, the port after LISTEN's",
    kind: {
      takes: "host:port or off",
      parse: (value: string) => (value === "off" ? value : parseAddress(value)),
    },
  },
  databaseUrl: {
    variable: "DATABASE_URL",
    about: "a PostgreSQL (15 or newer) to use; unset: one of its own in DATA_DIR",
    kind: { takes: DATABASE_URL_TAKES, parse: parseUrl },
  },
  databaseSchema: {
    variable: "DATABASE_SCHEMA",
    about: "the schema of the database that holds the ledger",
    kind: text("a name", (name) => /^[a-z_][a-z0-9_]{0,62}$/.test(name)),
    default: DATABASE_SCHEMA,
  },
  dataDir: {
    variable: "DATA_DIR",
    about: "where its own PostgreSQL keeps the data",
    kind: text("a folder"),
    default: ".points",
  },
  durability: {
    variable: "DURABILITY",
    about: "warns of a database that could lose answers in a crash, or does not serve from it",
    kind: oneOf("warn", "require"),
    default: "warn",
  },
  migrate: {
    variable: "MIGRATE",
    about: "whether to bring the schema up to date at start",
    kind: { takes: "on or off", parse: parseSwitch },
    default: "on",
  },
  serverRole: {
    variable: "SERVER_ROLE",
    about: "the role of servers, which migrate lets do what they need and no more",
    kind: text("a role of the database", (name) => /^[^\s"]{1,63}$/.test(name)),
  },
  testClock: {
    variable: "TEST_CLOCK",
    about:
      "1: goes by a clock for tests, which points clock advance sets forward; not with DATABASE_URL",
    kind: { takes: "0 or 1", parse: parseFlag },
    default: 0,
  },
  console: {
    variable: "CONSOLE",
    about: "whether to serve the console at /console/",
    kind: { takes: "on or off", parse: parseSwitch },
    default: "on",
  },
  consoleLabel: {
    variable: "CONSOLE_LABEL",
    about:
      "a word on each page of the console for what this ledger is, and a colour: red:production",
    kind: {
      takes: "a word, or gray, red, orange, yellow, green, teal, blue or violet:word",
      parse: parseLabel,
    },
  },
  consoleClientId: {
    variable: "CONSOLE_CLIENT_ID",
    about: "the console's client at JWT_ISSUER, for signing in by OpenID Connect; unset: by token",
    kind: text("a client id"),
  },
  consoleScopes: {
    variable: "CONSOLE_SCOPES",
    about: "what the console asks JWT_ISSUER for: openid, and what makes it write points' scopes",
    kind: text("scopes by spaces", (value) => /^[!-~]+(?: [!-~]+)*$/.test(value)),
    default: "openid profile",
  },
  prices: {
    variable: "PRICES",
    about: "the price list, read again on SIGHUP; unset: the one that ships",
    kind: text("a YAML file"),
  },
  policies: {
    variable: "POLICIES",
    about: "the policies that every new account gets, read again on SIGHUP; unset: none",
    kind: text("a YAML file"),
  },
  project: {
    variable: "PROJECT",
    about: "whether to build what SearchEntries, Summarize and GetOverview read",
    kind: { takes: "on or off", parse: parseSwitch },
    default: "on",
  },
  searchKeys: {
    variable: "SEARCH_KEYS",
    about: "keys of metadata that SearchEntries finds, by commas; others: points project --rebuild",
    kind: { takes: "1 to 16 keys", parse: parseKeys },
  },
  readsUrl: {
    variable: "READS_URL",
    about: "a standby of DATABASE_URL's for lists, search, sums, streams and scans; unset: none",
    kind: { takes: DATABASE_URL_TAKES, parse: parseReadsUrl },
  },
  sweepSeconds: {
    variable: "SWEEP_SECONDS",
    about: "how often to book what has expired",
    kind: wholeNumber(1, 86_400),
    default: 300,
  },
  workers: {
    variable: "WORKERS",
    about: "how many processes serve on the one port",
    kind: wholeNumber(1, 64),
    default: 1,
  },
  lanes: {
    variable: "LANES",
    about: "how many transactions a process may have under way at once",
    kind: wholeNumber(1, 64),
    default: 2,
  },
  batchMaxOps: {
    variable: "BATCH_MAX_OPS",
    about: "operations in one transaction at most",
    kind: wholeNumber(1, 10_000),
    default: 500,
  },
  queueMaxOps: {
    variable: "QUEUE_MAX_OPS",
    about: "operations that may wait; more are refused as OVERLOADED",
    kind: wholeNumber(1, 1_000_000),
    default: 10_000,
  },
  deadlineDefaultMs: {
    variable: "DEADLINE_DEFAULT_MS",
    about: "the deadline of a call that names none",
    kind: wholeNumber(1, 3_600_000),
    default: 5_000,
  },
  deadlineMaxMs: {
    variable: "DEADLINE_MAX_MS",
    about: "the longest deadline; a longer one is cut to it",
    kind: wholeNumber(1, 3_600_000),
    default: 60_000,
  },
  lameDuckMs: {
    variable: "LAMEDUCK_MS",
    about: "how long all is served at a stop, after it says that it is not ready",
    kind: wholeNumber(0, 600_000),
    default: 0,
  },
  drainMs: {
    variable: "DRAIN_MS",
    about: "how long running calls may take at a stop, after that",
    kind: wholeNumber(0, 600_000),
    default: 10_000,
  },
  messageMaxBytes: {
    variable: "MESSAGE_MAX_BYTES",
    about: "the largest request of ApplyBatch, and message of Apply",
    kind: wholeNumber(1_024, 67_108_864),
    default: 1_048_576,
  },
  messageSingleMaxBytes: {
    variable: "MESSAGE_SINGLE_MAX_BYTES",
    about: "the largest request of all other RPCs, after decompression as well",
    kind: wholeNumber(1_024, 67_108_864),
    default: 65_536,
  },
  messageOutMaxBytes: {
    variable: "MESSAGE_OUT_MAX_BYTES",
    about: "the largest answer; clients of gRPC take as much by default",
    kind: wholeNumber(65_536, 67_108_864),
    default: 4_194_304,
  },
  headerMaxBytes: {
    variable: "HEADER_MAX_BYTES",
    about: "the largest head of a request",
    kind: wholeNumber(4_096, 1_048_576),
    default: 16_384,
  },
  bodyMs: {
    variable: "BODY_MS",
    about: "how long a request may take to arrive; streams of requests are apart",
    kind: wholeNumber(100, 600_000),
    default: 30_000,
  },
  idleMs: {
    variable: "IDLE_MS",
    about: "how long a connection may be without a request",
    kind: wholeNumber(1_000, 86_400_000),
    default: 300_000,
  },
  keepAliveMs: {
    variable: "KEEPALIVE_MS",
    about: "silence after which TCP asks whether the peer still lives",
    kind: wholeNumber(1_000, 86_400_000),
    default: 60_000,
  },
  connectionsMax: {
    variable: "CONNECTIONS_MAX",
    about: "connections of a process",
    kind: wholeNumber(1, 1_000_000),
    default: 10_000,
  },
  connectionsMaxPerPeer: {
    variable: "CONNECTIONS_MAX_PER_PEER",
    about: "of them from one address",
    kind: wholeNumber(1, 1_000_000),
    default: 1_000,
  },
  streamsMaxPerConnection: {
    variable: "STREAMS_MAX_PER_CONNECTION",
    about: "requests under way on one connection",
    kind: wholeNumber(1, 10_000),
    default: 256,
  },
  resetsMaxBurst: {
    variable: "RESETS_MAX_BURST",
    about: "requests that a connection may take back at once, before it is ended",
    kind: wholeNumber(1, 1_000_000),
    default: 1_000,
  },
  resetsMaxPerSecond: {
    variable: "RESETS_MAX_PER_SECOND",
    about: "and in the long run",
    kind: wholeNumber(1, 1_000_000),
    default: 33,
  },
  callerMaxPerSecond: {
    variable: "CALLER_MAX_PER_SECOND",
    about: "operations of one caller, in each process; more are refused as RATE_LIMITED",
    kind: wholeNumber(1, 1_000_000),
    default: 10_000,
  },
  logLevel: {
    variable: "LOG_LEVEL",
    about: "what to log, as JSON lines on standard error",
    kind: oneOf("fatal", "error", "warn", "info", "debug", "trace", "silent"),
    default: "info",
  },
  // OpenTelemetry reads this variable and its other ones by itself.
  otlpEndpoint: {
    variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
    about: "where to send traces, by OTLP over HTTP; unset: nowhere",
    kind: text("http(s)://host:port", isHttpUrl),
  },
} as const satisfies Readonly<Record<string, Setting>>;
