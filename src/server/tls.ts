import { constants } from "node:crypto";
import { readFileSync, unwatchFile, watchFile } from "node:fs";
import * as tls from "node:tls";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { UsageError } from "../usage.ts";

// A stat of each file so often. Watching folders instead misses files that are links, which is how
// Kubernetes mounts secrets.
const LOOK_MS = 1_000;

/** What a TLS server needs; of it only the certificates may change while it runs. */
export type TlsOptions = tls.SecureContextOptions & tls.TlsOptions;

/**
 * Reads the certificates that the configuration names, and checks that they fit together.
 *
 * @returns undefined if it names none
 * @throws {UsageError}
 */
export function readTls({ tlsCert, tlsKey, tlsClientCa }: Config): TlsOptions | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  const asksClients = tlsClientCa !== undefined;
  const options = {
    cert: readPem("TLS_CERT", tlsCert),
    key: readPem("TLS_KEY", tlsKey),
    ...(asksClients ? { ca: readPem("TLS_CLIENT_CA", tlsClientCa) } : {}),
    minVersion: "TLSv1.3",
    requestCert: asksClients,
    rejectUnauthorized: asksClients,
    // A session taken up again would skip the check against a CA that may have been replaced.
    ...(asksClients ? { secureOptions: constants.SSL_OP_NO_TICKET } : {}),
  } as const;
  try {
    tls.createSecureContext(options);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`TLS_CERT, TLS_KEY or TLS_CLIENT_CA cannot be used: ${why}`, { cause });
  }
  return options;
}

/**
 * Reads the certificates again whenever one of their files changes. What cannot be used is refused,
 * and those in use stay: while two files are replaced, they don't fit for a moment.
 *
 * @returns how to stop
 */
export function watchTls(
  config: Config,
  log: Logger,
  onChange: (options: TlsOptions) => void,
): () => void {
  const files = [config.tlsCert, config.tlsKey, config.tlsClientCa].filter((file) => file !== undefined);
  const look = () => {
    try {
      const options = readTls(config);
      if (options !== undefined) onChange(options);
      log.info("the certificates have been read again");
    } catch (err) {
      log.error({ err }, "the new certificates are refused, the old ones stay in use");
    }
  };
  for (const file of files) watchFile(file, { interval: LOOK_MS, persistent: false }, look);
  return () => files.forEach((file) => unwatchFile(file, look));
}

function readPem(name: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError(`${name}: cannot read ${path}`, { cause });
  }
}
