import { UserError } from "../errors/user-error.ts";
import { type Address, isLoopback, parseAddress } from "./address.ts";
import { DATABASE_URL_TAKES, DatabaseUrlError, parseDatabaseUrl } from "./database-url.ts";
import { type Limits, LIMITS } from "./limits.ts";
import { type Setting, wholeNumber } from "./setting.ts";

/** All that can be set, read once from the environment. Units come last in a name. */
export type Config = Limits & {
  readonly listen: Address;
  /** What others may reach without TLS or authentication: all, or the admin port; undefined: nothing. */
  readonly insecure: "allow" | "metrics" | undefined;
  /** Files in PEM. Undefined: no TLS. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  /** Undefined: clients show no certificates. */
  readonly tlsClientCa: string | undefined;
  /** Undefined, as `jwtKeys`: no authentication. */
  readonly callers: string | undefined;
  /** A file or a URL; set, and with it the issuer and the audience, or undefined: no JWTs. */
  readonly jwtKeys: string | undefined;
  readonly jwtIssuer: string | undefined;
  readonly jwtAudience: string | undefined;
  /** Undefined: on loopback, at the port after that of `listen`. */
  readonly adminListen: Address | "off" | undefined;
  /** Undefined: a PostgreSQL of our own in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  /** What to do about a database that could lose answers. */
  readonly durability: "warn" | "require";
  readonly migrate: boolean;
  /** Who gets what a server needs of the schema; undefined: nobody does. */
  readonly serverRole: string | undefined;
  /** Undefined: the price list that ships. */
  readonly prices: string | undefined;
  readonly sweepSeconds: number;
  readonly workers: number;
  readonly lanes: number;
  readonly batchMaxOps: number;
  readonly queueMaxOps: number;
  readonly deadlineDefaultMs: number;
  readonly deadlineMaxMs: number;
  readonly lameDuckMs: number;
  readonly drainMs: number;
  readonly logLevel: string;
  /** Undefined: no traces. OpenTelemetry reads this and its kin by itself. */
  readonly otlpEndpoint: string | undefined;
};

/** Names every variable that is wrong, and what it takes. */
export class ConfigError extends UserError {}

/**
 * Reads the configuration. A variable that is empty counts as unset.
 *
 * @throws {ConfigError}
 */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const wrong: string[] = [];
  const read = <T>(setting: Setting<T>): T => {
    const text = environment[setting.name] || setting.fallback;
    if (text === undefined) return undefined as T;
    const found = parsed(setting, text, environment);
    if (found.wrong !== undefined) wrong.push(`${setting.name}=${found.wrong}`);
    return found.value as T;
  };
  const config: Config = {
    listen: read(SETTINGS.listen),
    insecure: read(SETTINGS.insecure),
    tlsCert: read(SETTINGS.tlsCert),
    tlsKey: read(SETTINGS.tlsKey),
    tlsClientCa: read(SETTINGS.tlsClientCa),
    callers: read(SETTINGS.callers),
    jwtKeys: read(SETTINGS.jwtKeys),
    jwtIssuer: read(SETTINGS.jwtIssuer),
    jwtAudience: read(SETTINGS.jwtAudience),
    adminListen: read(SETTINGS.adminListen),
    databaseUrl: read(SETTINGS.databaseUrl),
    dataDir: read(SETTINGS.dataDir),
    durability: read(SETTINGS.durability),
    migrate: read(SETTINGS.migrate),
    serverRole: read(SETTINGS.serverRole),
    prices: read(SETTINGS.prices),
    sweepSeconds: read(SETTINGS.sweepSeconds),
    workers: read(SETTINGS.workers),
    lanes: read(SETTINGS.lanes),
    batchMaxOps: read(SETTINGS.batchMaxOps),
    queueMaxOps: read(SETTINGS.queueMaxOps),
    deadlineDefaultMs: read(SETTINGS.deadlineDefaultMs),
    deadlineMaxMs: read(SETTINGS.deadlineMaxMs),
    lameDuckMs: read(SETTINGS.lameDuckMs),
    drainMs: read(SETTINGS.drainMs),
    logLevel: read(SETTINGS.logLevel),
    otlpEndpoint: read(SETTINGS.otlpEndpoint),
    ...mapValues(LIMITS, read),
  };
  if (wrong.length === 0) wrong.push(...unpaired(config));
  if (wrong.length > 0) throw new ConfigError(wrong.join("\n"));
  return config;
}

/** A DATABASE_URL may have a password in it: why it is wrong is said, and not what it is. */
function parsed<T>({ parse, takes }: Setting<T>, text: string, environment: NodeJS.ProcessEnv) {
  try {
    const value = parse(text, environment);
    return { value, wrong: value === undefined ? `${text}: takes ${takes}` : undefined };
  } catch (error) {
    if (error instanceof DatabaseUrlError) return { wrong: `…: ${error.message}` };
    throw error;
  }
}

/** What means nothing without something else. */
function unpaired(config: Config): string[] {
  const { tlsCert, tlsKey, tlsClientCa, callers, jwtKeys, jwtIssuer, jwtAudience } = config;
  const isSome = (...values: unknown[]) => values.some((value) => value !== undefined);
  const isAll = (...values: unknown[]) => values.every((value) => value !== undefined);
  return [
    ...(isSome(tlsCert, tlsKey) && !isAll(tlsCert, tlsKey)
      ? ["TLS_CERT and TLS_KEY: take each other"]
      : []),
    ...(isSome(tlsClientCa) && !isAll(tlsCert, tlsKey, callers)
      ? ["TLS_CLIENT_CA: takes TLS_CERT, TLS_KEY and CALLERS beside it"]
      : []),
    ...(isSome(jwtKeys, jwtIssuer, jwtAudience) && !isAll(jwtKeys, jwtIssuer, jwtAudience)
      ? ["JWT_KEYS, JWT_ISSUER and JWT_AUDIENCE: take each other"]
      : []),
  ];
}

/** A table of all variables for people: name, default, what it is. */
export function describeConfig(): string {
  return Object.values(SETTINGS)
    .map(({ name, about, takes, fallback }) => {
      const usually = fallback === undefined ? "" : `, default ${fallback}`;
      return `  ${name.padEnd(26)} ${about}\n${" ".repeat(29)}(${takes}${usually})`;
    })
    .join("\n");
}

const SETTINGS = {
  listen: {
    name: "LISTEN",
    about: "where to listen; port 0 picks a free one",
    takes: "host:port",
    fallback: "127.0.0.1:50051",
    parse: parseAddress,
  } satisfies Setting<Address>,
  insecure: {
    name: "INSECURE",
    about:
      "listens to others though TLS or authentication is missing; metrics: on ADMIN_LISTEN alone",
    takes: "allow or metrics",
    fallback: undefined,
    parse: (text: string) => (text === "allow" || text === "metrics" ? text : undefined),
  } satisfies Setting<Config["insecure"]>,
  tlsCert: anyText(
    "TLS_CERT",
    "the server's certificate and its chain, read again when it changes",
  ),
  tlsKey: anyText("TLS_KEY", "the certificate's key, likewise"),
  tlsClientCa: anyText(
    "TLS_CLIENT_CA",
    "who signs the certificates that clients must show, likewise",
  ),
  callers: anyText(
    "CALLERS",
    "who may call, and what; read again on SIGHUP; unset: everybody may do all",
    "a YAML file",
  ),
  jwtKeys: {
    name: "JWT_KEYS",
    about: "the keys that sign JWTs of callers, a JWKS, read again now and then",
    takes: "a file or an https URL",
    fallback: undefined,
    parse: parseKeysPlace,
  } satisfies Setting<string>,
  jwtIssuer: anyText("JWT_ISSUER", "who must have issued a JWT", "a text"),
  jwtAudience: anyText("JWT_AUDIENCE", "for whom a JWT must have been issued", "a text"),
  adminListen: {
    name: "ADMIN_LISTEN",
    about: "where /metrics, /healthz and /readyz are; unset: 127.0.0.1, the port after LISTEN's",
    takes: "host:port or off",
    fallback: undefined,
    parse: (text: string) => (text === "off" ? text : parseAddress(text)),
  } satisfies Setting<Config["adminListen"]>,
  databaseUrl: {
    name: "DATABASE_URL",
    about: "a PostgreSQL (15 or newer) to use; unset: one of its own in DATA_DIR",
    takes: DATABASE_URL_TAKES,
    fallback: undefined,
    parse(text: string, environment: NodeJS.ProcessEnv) {
      parseDatabaseUrl(text, environment);
      return text;
    },
  } satisfies Setting<string>,
  dataDir: {
    name: "DATA_DIR",
    about: "where its own PostgreSQL keeps the data",
    takes: "a folder",
    fallback: ".points",
    parse: (text: string) => text,
  } satisfies Setting<string>,
  durability: {
    name: "DURABILITY",
    about: "warns of a database that could lose answers in a crash, or does not serve from it",
    takes: "warn or require",
    fallback: "warn",
    parse: (text: string) => (text === "warn" || text === "require" ? text : undefined),
  } satisfies Setting<Config["durability"]>,
  migrate: {
    name: "MIGRATE",
    about: "whether to bring the schema up to date at start",
    takes: "on or off",
    fallback: "on",
    parse: (text: string) => (text === "on" ? true : text === "off" ? false : undefined),
  } satisfies Setting<boolean>,
  serverRole: {
    name: "SERVER_ROLE",
    about: "the role of servers, which migrate lets do what they need and no more",
    takes: "a role of the database",
    fallback: undefined,
    parse: (text: string) => (/^[^\s"]{1,63}$/.test(text) ? text : undefined),
  } satisfies Setting<string>,
  prices: {
    name: "PRICES",
    about: "the price list, read again on SIGHUP; unset: the one that ships",
    takes: "a YAML file",
    fallback: undefined,
    parse: (text: string) => text,
  } satisfies Setting<string>,
  sweepSeconds: wholeNumber("SWEEP_SECONDS", "how often to book what has expired", 300, 1, 86_400),
  workers: wholeNumber("WORKERS", "how many processes serve on the one port", 1, 1, 64),
  lanes: wholeNumber(
    "LANES",
    "how many transactions a process may have under way at once",
    2,
    1,
    64,
  ),
  batchMaxOps: wholeNumber(
    "BATCH_MAX_OPS",
    "operations in one transaction at most",
    500,
    1,
    10_000,
  ),
  queueMaxOps: wholeNumber(
    "QUEUE_MAX_OPS",
    "operations that may wait; more are refused as OVERLOADED",
    10_000,
    1,
    1_000_000,
  ),
  deadlineDefaultMs: wholeNumber(
    "DEADLINE_DEFAULT_MS",
    "the deadline of a call that names none",
    5_000,
    1,
    3_600_000,
  ),
  deadlineMaxMs: wholeNumber(
    "DEADLINE_MAX_MS",
    "the longest deadline; a longer one is cut to it",
    60_000,
    1,
    3_600_000,
  ),
  lameDuckMs: wholeNumber(
    "LAMEDUCK_MS",
    "how long all is served at a stop, after it says that it is not ready",
    0,
    0,
    600_000,
  ),
  drainMs: wholeNumber(
    "DRAIN_MS",
    "how long running calls may take at a stop, after that",
    10_000,
    0,
    600_000,
  ),
  ...LIMITS,
  logLevel: {
    name: "LOG_LEVEL",
    about: "what to log, as JSON lines on standard error",
    takes: "fatal, error, warn, info, debug, trace or silent",
    fallback: "info",
    parse: (text: string) =>
      /^(fatal|error|warn|info|debug|trace|silent)$/.test(text) ? text : undefined,
  } satisfies Setting<string>,
  otlpEndpoint: {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    about: "where to send traces, by OTLP over HTTP; unset: nowhere",
    takes: "http(s)://host:port",
    fallback: undefined,
    parse: (text: string) => (/^https?:/.test(text) && URL.canParse(text) ? text : undefined),
  } satisfies Setting<string>,
};

function mapValues<Name extends string, From, To>(
  record: Readonly<Record<Name, From>>,
  map: (value: From) => To,
): Record<Name, To> {
  const entries = Object.entries<From>(record).map(([name, value]) => [name, map(value)]);
  return Object.fromEntries(entries) as Record<Name, To>;
}

function anyText(name: string, about: string, takes = "a PEM file"): Setting<string> {
  return { name, about, takes, fallback: undefined, parse: (text) => text };
}

/** Keys must not be swapped on their way here; a machine trusts itself. */
function parseKeysPlace(text: string): string | undefined {
  if (!/^[a-z]+:\/\//i.test(text)) return text;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = url !== undefined && isLoopback(url.hostname.replace(/^\[(.*)\]$/, "$1"));
  return url?.protocol === "https:" || (url?.protocol === "http:" && isLocal) ? text : undefined;
}
