#!/usr/bin/env node
// Runs src/main.ts, whose types this Node may be too old to strip: then by the Node that npm
// brought. This file itself is for any Node.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { fileURLToPath } from "node:url";

const NEEDED = 24;
const MAIN = new URL("../src/main.ts", import.meta.url);
const OWN_NODE = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));

if (Number(process.versions.node.split(".")[0]) >= NEEDED) {
  // What Node makes of the sources is kept, so that the next start takes half the time, and 24 MB
  // less without what strips types. Where others cannot put theirs: it is run as it is found.
  module.enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/node", import.meta.url)));
  await import(MAIN.href);
} else if (existsSync(OWN_NODE)) {
  runByOwnNode();
} else {
  console.error(
    `points: it needs Node ${NEEDED} or newer, and this is ${process.versions.node}. ` +
      `"npm ci" in its folder brings one.`,
  );
  process.exitCode = 1;
}

/** As if it were this process: with its terminal, its signals and its end. */
function runByOwnNode() {
  const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const child = spawn(OWN_NODE, args, { stdio: "inherit" });
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name));
  child.on("error", (error) => {
    console.error(`points: ${OWN_NODE} does not run: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
