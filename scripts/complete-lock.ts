/**
 * Completes package-lock.json after an `npm install` from a registry mirror that lacks some
 * platforms' optional binaries. npm leaves those out of the lock, and `npm ci` then refuses it
 * everywhere. The added entries have no checksum, since the mirror has none.
 * Run it as `npm run lock`. A complete lock stays as it is.
 */
import { readFileSync, writeFileSync } from "node:fs";

type Package = {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
};

const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(path, "utf8")) as { packages: Record<string, Package> };
const added: string[] = [];

for (const [owner, { optionalDependencies = {}, dev }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const known = [`node_modules/${name}`, `${owner}/node_modules/${name}`];
    if (known.some((place) => place in lock.packages)) continue;
    lock.packages[`node_modules/${name}`] = {
      version,
      ...platformOf(name),
      ...(dev === undefined ? {} : { dev }),
      optional: true,
    };
    added.push(name);
  }
}

lock.packages = Object.fromEntries(
  Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)),
);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added.length} optional packages added to package-lock.json`);

/** The platform of a binary's package, by its name: "…-linux-arm64-musl". */
function platformOf(name: string): Pick<Package, "os" | "cpu" | "libc"> {
  const match =
    /(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32|windows)-(\w+)(?:-(\w+))?$/.exec(
      name,
    );
  if (match === null) throw new Error(`no platform in the name of the optional package ${name}`);
  const [, os, cpu, abi = ""] = match;
  const cpus: Record<string, string> = { aarch64: "arm64", armv7: "arm" };
  const libc = abi.startsWith("musl") ? ["musl"] : abi.startsWith("gnu") ? ["glibc"] : undefined;
  return {
    os: [os === "windows" ? "win32" : os!],
    cpu: [cpus[cpu!] ?? cpu!],
    ...(libc === undefined ? {} : { libc }),
  };
}
