import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { type Proxy, startProxy } from "../torture/deployment/proxy.ts";
import type { TestDatabase } from "./database.ts";

/** Opens a pool to a database by a proxy, which cuts its connections when a test says so. */
export async function openByProxy({ url }: TestDatabase): Promise<{ proxy: Proxy; orm: Orm }> {
  const { hostname, port, pathname, username, password } = new URL(url);
  const host = decodeURIComponent(hostname);
  const number = Number(port || 5432);
  const isSocket = host.startsWith("/");
  const place = isSocket ? { path: `${host}/.s.PGSQL.${number}` } : { host, port: number };
  const proxy = await startProxy(() => place);
  const user = password === "" ? username : `${username}:${password}`;
  const orm = await openOrm(`postgresql://${user}@127.0.0.1:${proxy.port}${pathname}`, 3);
  return { proxy, orm };
}
