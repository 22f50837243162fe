/**
 * Packs `points/client` as an npm package, `points-VERSION.tgz`: as JavaScript, since Node does not
 * strip types in node_modules, and without the dependencies of the server.
 *
 * Usage: `npm run pack:client -- [FOLDER]`; the default folder is dist/.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

const CLIENT_DEPENDENCIES = [
  "@bufbuild/protobuf",
  "@bufbuild/protovalidate",
  "@connectrpc/connect",
];

const target = resolve(process.argv[2] ?? "dist");
process.chdir(resolve(import.meta.dirname, ".."));
type Manifest = { version: string; license: string; dependencies: Record<string, string> };
const { version, license, dependencies } = JSON.parse(
  readFileSync("package.json", "utf8"),
) as Manifest;

rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, [
  "node_modules/typescript/lib/tsc.js",
  "-p",
  "tsconfig.package.json",
]);
cpSync("clients/typescript/README.md", "dist/package/README.md");
cpSync("LICENSE", "dist/package/LICENSE");
const manifest = {
  name: "points",
  version,
  description: "The client of Points, a ledger of users' points",
  license,
  type: "module",
  engines: { node: ">=20" },
  exports: { "./client": "./src/client/client.js" },
  dependencies: Object.fromEntries(CLIENT_DEPENDENCIES.map((name) => [name, dependencies[name]])),
};
writeFileSync("dist/package/package.json", `${JSON.stringify(manifest, null, 2)}\n`);
mkdirSync(target, { recursive: true });
execFileSync("npm", ["pack", "./dist/package", "--silent", "--pack-destination", target], {
  stdio: "inherit",
});
