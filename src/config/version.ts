import { readFileSync } from "node:fs";

const { version } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as { version: string };

/** The version of this software, such as "0.1.0". */
export const SOFTWARE_VERSION = version;
