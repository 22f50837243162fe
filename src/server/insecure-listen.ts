import { isLoopback } from "../config/address.ts";
import type { Config } from "../config/environment.ts";
import { UserError } from "../errors/user-error.ts";

/**
 * Insecure listen: keeps a server from being open to a network by mistake. It may listen to other
 * machines only with TLS and authentication, or where INSECURE allows it. The admin port has
 * neither.
 *
 * @returns warnings of what INSECURE allows
 * @throws {UserError} if the configuration is insecure, and INSECURE does not allow it
 */
export function checkInsecureListen(config: Config): readonly string[] {
  return [insecureAdmin(config), insecurePort(config)].filter((warning) => warning !== undefined);
}

function insecureAdmin({ adminListen, insecure }: Config): string | undefined {
  if (adminListen === undefined || adminListen === "off") return undefined;
  const { host } = adminListen;
  if (isLoopback(host)) return undefined;
  const what = `others than this machine can read the metrics at ${host}`;
  if (insecure !== undefined) return what;
  throw new UserError(
    `${what}: set ADMIN_LISTEN to 127.0.0.1, or start with INSECURE=metrics in a network that you trust`,
  );
}

function insecurePort(config: Config): string | undefined {
  const { host } = config.listen;
  const missing = [
    ...(config.tlsCert === undefined ? ["TLS (TLS_CERT and TLS_KEY)"] : []),
    ...(hasAuthentication(config) ? [] : ["authentication (CALLERS or JWT_KEYS)"]),
  ];
  if (isLoopback(host) || missing.length === 0) return undefined;
  const what = `others than this machine can reach ${host}, without ${missing.join(" and ")}`;
  if (config.insecure === "allow") return what;
  throw new UserError(
    `${what}: set them, or listen on 127.0.0.1, or start with INSECURE=allow in a network that ` +
      "you trust",
  );
}

/** Whether callers must authenticate. */
export function hasAuthentication({ callers, jwtKeys }: Config): boolean {
  return callers !== undefined || jwtKeys !== undefined;
}
