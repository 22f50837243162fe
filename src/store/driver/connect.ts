import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import pg from "pg";
import {
  type DatabaseHost,
  type DatabaseUrl,
  hostText,
  isSocket,
  type SessionAttributes,
} from "../../config/database-url.ts";
import { expectAttributes } from "./session.ts";

/** One attempt's host, port and encryption. */
export type Attempt = Pick<pg.ClientConfig, "host" | "port" | "ssl">;

/** Connects to one of a DATABASE_URL's hosts, with failover to the next. */
export type Connector = {
  /** The driver's options that are the same for all hosts. */
  readonly options: pg.ClientConfig;
  /**
   * Tries the hosts in order, beginning with the one that succeeded last, each with the encryptions
   * that sslmode allows, until `open` succeeds.
   *
   * @throws an Error with code 08001 if no host succeeds: no database has executed anything
   */
  connect<T>(open: (attempt: Attempt) => Promise<T>): Promise<T>;
};

/** A connector for a DATABASE_URL. It connects to nothing yet. */
export function connectorOf(url: DatabaseUrl): Connector {
  const { hosts, database, user, applicationName, options, connectMs, tls } = url;
  const secure = secureContexts(url);
  let preferred = 0;

  async function connect<T>(open: (attempt: Attempt) => Promise<T>): Promise<T> {
    const context = await secure().catch((cause: Error) => cannotConnect([cause.message], cause));
    const failures: Failure[] = [];
    const inTurn = [...hosts.keys()].map((index) => (preferred + index) % hosts.length);
    for (const index of inTurn) {
      const host = hosts[index]!;
      for (const encrypted of waysTo(host, url)) {
        const ssl = encrypted && sslOptions(host, url, context);
        try {
          const opened = await open({ ...host, ssl });
          preferred = index;
          return opened;
        } catch (error) {
          if (isPoolBusy(error)) throw error;
          failures.push({ host, error });
          if (isUnreachable(error) || isFinal(error)) break;
        }
      }
      // The other hosts have the same roles and databases, and would refuse as well.
      if (isRefusal(failures.at(-1)?.error)) break;
    }
    return cannotConnect(messagesOf(failures, url), failures.at(-1)?.error);
  }

  return {
    connect,
    options: {
      database,
      user: user ?? systemUser(),
      password: url.password ?? noPassword,
      application_name: applicationName,
      options,
      connectionTimeoutMillis: connectMs,
      enableChannelBinding: tls.channelBinding,
    },
  };
}

/**
 * Connects a client outside the pool. Its session keeps the database's default settings.
 *
 * @throws as `Connector.connect`
 */
export function openClient(
  { connect, options }: Connector,
  attributes: SessionAttributes,
): Promise<pg.Client> {
  return connect(async (attempt) => {
    const client = new pg.Client({ ...options, ...attempt });
    client.on("error", () => {}); // Its queries fail with the error.
    try {
      await client.connect();
      await expectAttributes(client, attributes);
      return client;
    } catch (error) {
      client.end().catch(() => {}); // A silent host may not answer this either.
      throw error;
    }
  });
}

/** Whether no connection of a pool became free in time: no host is to blame. It is the pool's own text. */
export function isPoolBusy(error: unknown): boolean {
  return error instanceof Error && error.message === "timeout exceeded when trying to connect";
}

type Failure = { readonly host: DatabaseHost; readonly error: unknown };

const NO_TLS = "The server does not support SSL connections";

/**
 * The operating system's user, libpq's default; the ORM's default is another. Empty: the user has no
 * name.
 */
function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return "";
  }
}

function noPassword(): never {
  throw new Error("it asks for a password, and DATABASE_URL has none");
}

/** Whether to encrypt, by attempt, as sslmode says. Unix sockets are never encrypted. */
function waysTo({ host }: DatabaseHost, { tls }: DatabaseUrl): readonly boolean[] {
  if (isSocket(host) || tls.mode === "disable") return [false];
  if (tls.mode === "allow") return [false, true];
  return tls.mode === "prefer" ? [true, false] : [true];
}

/** Only `verify-full` checks the host name; `sslrootcert` makes every mode check the signature. */
function sslOptions({ host }: DatabaseHost, { tls }: DatabaseUrl, context?: SecureContext) {
  const checksName = tls.mode === "verify-full";
  return {
    // Without a host, the certificate of an IP address would be compared with "localhost".
    host,
    secureContext: context,
    rejectUnauthorized: checksName || tls.rootCertificate !== undefined,
    ...(checksName ? {} : { checkServerIdentity: () => undefined }),
  };
}

/** Hot reload: reads the files again for each connection, since certificates are replaced. */
function secureContexts({ tls }: DatabaseUrl): () => Promise<SecureContext | undefined> {
  const { mode, rootCertificate, certificate, key } = tls;
  const isOwn = rootCertificate !== undefined && rootCertificate !== "system";
  let made: { readonly of: string; readonly context: SecureContext } | undefined;
  return async () => {
    if (mode === "disable") return undefined;
    const options = {
      ca: isOwn ? await readPem("sslrootcert", rootCertificate) : undefined,
      cert: certificate && (await readPem("sslcert", certificate)),
      key: key && (await readPem("sslkey", key)),
    };
    const of = JSON.stringify(options);
    if (made?.of === of) return made.context;
    // Loading all authorities that the system trusts costs 20 ms.
    const ca = options.ca ?? (mode === "verify-full" ? publicAuthorities() : []);
    try {
      made = { of, context: createSecureContext({ ...options, ca }) };
    } catch (cause) {
      throw new Error(`sslcert or sslkey: ${(cause as Error).message}`, { cause });
    }
    return made.context;
  };
}

function publicAuthorities(): string[] {
  return [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
}

async function readPem(parameter: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new Error(`${parameter}: ${(cause as Error).message}`, { cause });
  }
}

/** Whether the host did not answer: another encryption would not help. */
function isUnreachable(error: unknown): boolean {
  return UNREACHABLE.has(codeOf(error)) || isTimeout(error);
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && /^(timeout expired|.*connection timeout)$/.test(error.message);
}

const UNREACHABLE = new Set([
  "ECONNREFUSED",
  "ENOENT",
  "EACCES",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
]);

/**
 * Whether the host refused the user (SQLSTATE class 28). Unless the refusal is final, pg_hba.conf may
 * admit the same user with the other encryption.
 */
function isRefusal(error: unknown): boolean {
  return codeOf(error).startsWith("28") || isFinal(error);
}

/** A wrong password or a missing database: another encryption would not help. */
function isFinal(error: unknown): boolean {
  return ["28P01", "3D000"].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function messagesOf(failures: readonly Failure[], { hosts, connectMs }: DatabaseUrl): string[] {
  const told = failures.map(({ host, error }) => {
    // A name with several addresses, none of which answers, gives an AggregateError.
    const errors = error instanceof AggregateError ? error.errors : [error];
    const message = isTimeout(error)
      ? `no answer within ${connectMs / 1_000} s`
      : errors.map((one) => (one as Error).message).join(", ");
    return { message, text: hosts.length > 1 ? `${hostText(host)}: ${message}` : message };
  });
  // A lack of TLS is no failure where the attempt without TLS is made too.
  const telling = told.filter(({ message }) => message !== NO_TLS);
  return [...new Set((telling.length > 0 ? telling : told).map(({ text }) => text))];
}

function cannotConnect(messages: readonly string[], cause: unknown): never {
  throw Object.assign(new Error(messages.join("; "), { cause }), { code: "08001" });
}
