import { posix } from "node:path";

/** A parsed DATABASE_URL. Its parts and parameters mean what they mean to libpq. */
export type DatabaseUrl = {
  /** At least one, in the order in which they are tried. */
  readonly hosts: readonly DatabaseHost[];
  readonly database: string;
  /** Undefined: the system's user. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly applicationName: string;
  /** Options for the server's command line, such as `-c geqo=off`. */
  readonly options: string | undefined;
  /** The time limit for each host. 0: none. */
  readonly connectMs: number;
  /** The state that a host must have to be used. */
  readonly sessionAttributes: SessionAttributes;
  readonly tls: {
    readonly mode: SslMode;
    /** A PEM file, as the next two; "system": the authorities that the system and Node trust. */
    readonly rootCertificate: string | undefined;
    readonly certificate: string | undefined;
    readonly key: string | undefined;
    /** Whether SCRAM binds to the TLS channel, against a man in the middle, if the server can. */
    readonly channelBinding: boolean;
  };
};

/** A host's name or address (IPv6 without brackets), or the folder of a Unix socket. */
export type DatabaseHost = { readonly host: string; readonly port: number };

export type SslMode = (typeof SSL_MODES)[number];
export type SessionAttributes = (typeof SESSION_ATTRIBUTES)[number];

/** Says why a DATABASE_URL is wrong, without its password. */
export class DatabaseUrlError extends Error {}

/** The schema of a ledger, where no other is named. */
export const DATABASE_SCHEMA = "points";

export const DATABASE_URL_TAKES = "postgresql://user:password@host:port/database";

/** All supported parameters, and the variable, if any, that supplies one that the URL lacks. */
const PARAMETERS = {
  host: "PGHOST",
  port: "PGPORT",
  user: "PGUSER",
  password: "PGPASSWORD",
  dbname: "PGDATABASE",
  connect_timeout: "PGCONNECT_TIMEOUT",
  application_name: "PGAPPNAME",
  options: "PGOPTIONS",
  client_encoding: undefined,
  target_session_attrs: "PGTARGETSESSIONATTRS",
  sslmode: "PGSSLMODE",
  sslrootcert: "PGSSLROOTCERT",
  sslcert: "PGSSLCERT",
  sslkey: "PGSSLKEY",
  channel_binding: "PGCHANNELBINDING",
  gssencmode: "PGGSSENCMODE",
} as const;

type Parameter = keyof typeof PARAMETERS;
type Values = Map<Parameter, string>;

const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
const SESSION_ATTRIBUTES = ["any", "read-write", "read-only", "primary", "standby"] as const;

const PORT = "5432";
const CONNECT_SECONDS = "5";

/**
 * Parses a DATABASE_URL. As for psql, libpq's variables (PGPASSWORD, PGSSLMODE, …) supply the
 * parameters that the URL lacks. Service files and ~/.pgpass are not read.
 *
 * @throws {DatabaseUrlError} that names the parameter
 */
export function parseDatabaseUrl(
  text: string,
  environment: NodeJS.ProcessEnv = process.env,
): DatabaseUrl {
  const values = readValues(text);
  for (const name of Object.keys(PARAMETERS) as Parameter[]) {
    const value = environment[PARAMETERS[name] ?? ""];
    if (!values.get(name) && value) values.set(name, value);
  }
  const database = values.get("dbname");
  if (!database) throw malformed();
  // The driver supports no other encoding.
  if (!/^(utf-?8|unicode|auto|)$/i.test(values.get("client_encoding") ?? "")) {
    throw new DatabaseUrlError("client_encoding takes UTF8");
  }
  const hosts = hostsOf(values);
  const several = hosts.length > 1;
  const attributes = several ? "read-write" : "any";
  return {
    hosts,
    database,
    user: values.get("user") || undefined,
    password: values.get("password") || undefined,
    applicationName: values.get("application_name") || "points",
    options: values.get("options") || undefined,
    connectMs: connectMsOf(values),
    sessionAttributes: oneOf(values, "target_session_attrs", SESSION_ATTRIBUTES, attributes),
    // As in libpq, TLS settings do not apply to Unix sockets.
    tls: hosts.every(({ host }) => isSocket(host)) ? NO_TLS : tlsOf(values),
  };
}

/** The hosts and the database as text for people, without the password. */
export function databasePlace({ hosts, database }: DatabaseUrl): string {
  return `${hosts.map(hostText).join(",")}/${database}`;
}

/** Writes "host:port", with brackets around an IPv6 address. */
export function hostText({ host, port }: DatabaseHost): string {
  return `${isSocket(host) || !host.includes(":") ? host : `[${host}]`}:${port}`;
}

/** Whether a host is the folder of a Unix socket, and not a name or an address. */
export function isSocket(host: string): boolean {
  return posix.isAbsolute(host);
}

/** Reads the URL's own values. As in libpq, a parameter overrides the part before the "?". */
function readValues(text: string): Values {
  const [, credentials, authority, path = "", query = ""] = SHAPE.exec(text) ?? [];
  // A later "@" belongs to a password with a "/" or a "?" that is not percent-encoded.
  if (authority === undefined || path.includes("/")) throw malformed();
  if (credentials === undefined && query.includes("@")) throw malformed();
  const [user = "", ...password] = (credentials ?? "").split(":");
  const values: Values = new Map([
    ["user", decoded(user)],
    ["password", decoded(password.join(":"))],
    ["dbname", decoded(path)],
  ]);
  const hosts = authority.split(",").map((one) => HOST.exec(one));
  if (hosts.some((found) => found === null)) throw malformed();
  values.set("host", hosts.map((found) => decoded(found![1] ?? found![2]!)).join(","));
  const ports = hosts.map((found) => found![3] ?? "");
  if (ports.some((port) => port !== "")) values.set("port", ports.join(","));

  for (const pair of query === "" ? [] : query.split("&")) {
    const [name, value] = parameterOf(pair);
    values.set(name, value);
  }
  return values;
}

const SHAPE = /^postgres(?:ql)?:\/\/(?:([^/?\s]*)@)?([^/?@\s]*)(?:\/([^?\s]*))?(?:\?(\S*))?$/;
const HOST = /^(?:\[([^[\]]+)\]|([^:[\]]*))(?::(\d*))?$/;

function parameterOf(pair: string): [Parameter, string] {
  const [rawName = "", rawValue, ...more] = pair.split("=");
  if (rawValue === undefined || more.length > 0) throw malformed();
  const [name, value] = [decoded(rawName), decoded(rawValue)];
  // From JDBC; libpq accepts it too.
  if (name === "ssl" && value === "true") return ["sslmode", "require"];
  if (Object.hasOwn(PARAMETERS, name)) return [name as Parameter, value];
  const shown = /^\w{1,40}$/.test(name) ? name : "…";
  const known = Object.keys(PARAMETERS).join(", ");
  throw new DatabaseUrlError(`there is no parameter ${shown} among those that it takes: ${known}`);
}

/** Percent-decodes a text. Unlike in an HTML form, a "+" stays a "+". */
function decoded(text: string): string {
  try {
    const value = decodeURIComponent(text);
    if (!value.includes("\0")) return value;
  } catch {
    // The error below does not contain the text.
  }
  throw malformed();
}

function hostsOf(values: Values): DatabaseHost[] {
  const hosts = (values.get("host") ?? "").split(",");
  const ports = (values.get("port") ?? "").split(",");
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new DatabaseUrlError("port takes one port for all hosts, or one for each");
  }
  return hosts.map((host, index) => {
    const text = (ports.length > 1 ? ports[index] : ports[0]) || PORT;
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (port < 1 || port > 65_535) throw malformed();
    return { host: host || "localhost", port };
  });
}

const NO_TLS = {
  mode: "disable",
  rootCertificate: undefined,
  certificate: undefined,
  key: undefined,
  channelBinding: false,
} as const;

function tlsOf(values: Values): DatabaseUrl["tls"] {
  const file = (name: Parameter) => values.get(name) || undefined;
  const [rootCertificate, certificate, key] = [
    file("sslrootcert"),
    file("sslcert"),
    file("sslkey"),
  ];
  const isSystem = rootCertificate === "system";
  const mode = oneOf(values, "sslmode", SSL_MODES, isSystem ? "verify-full" : "prefer");
  if (isSystem && mode !== "verify-full") {
    throw new DatabaseUrlError("sslrootcert=system takes sslmode=verify-full");
  }
  // verify-ca with the system's authorities proves nothing: anybody can get a certificate of theirs.
  if (mode === "verify-ca" && rootCertificate === undefined) {
    throw new DatabaseUrlError("sslmode=verify-ca takes sslrootcert, or else sslmode=verify-full");
  }
  if ((certificate === undefined) !== (key === undefined)) {
    throw new DatabaseUrlError("sslcert and sslkey take each other");
  }
  // GSSAPI is not supported. "prefer" allows to go on without it.
  oneOf(values, "gssencmode", ["disable", "prefer"] as const, "disable");
  const bindings = ["disable", "prefer", "require"] as const;
  const binding = oneOf(values, "channel_binding", bindings, "disable");
  if (binding === "require") {
    throw new DatabaseUrlError(
      `${named("channel_binding")} takes disable or prefer: ` +
        "take sslmode=verify-full instead, by which the server proves who it is",
    );
  }
  return { mode, rootCertificate, certificate, key, channelBinding: binding === "prefer" };
}

function connectMsOf(values: Values): number {
  const seconds = values.get("connect_timeout") || CONNECT_SECONDS;
  if (/^\d{1,6}$/.test(seconds)) return 1_000 * Number(seconds);
  throw new DatabaseUrlError(`${named("connect_timeout")} takes a whole number of seconds`);
}

function oneOf<T extends string>(
  values: Values,
  name: Parameter,
  takes: readonly T[],
  fallback: NoInfer<T>,
): T {
  const value = values.get(name) || fallback;
  const found = takes.find((one) => one === value);
  if (found === undefined) throw new DatabaseUrlError(`${named(name)} takes ${listed(takes)}`);
  return found;
}

function named(name: Parameter): string {
  const variable = PARAMETERS[name];
  return variable === undefined ? name : `${name} (or ${variable})`;
}

function listed(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function malformed(): DatabaseUrlError {
  return new DatabaseUrlError(`takes ${DATABASE_URL_TAKES}`);
}
