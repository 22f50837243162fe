import { randomBytes } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";

/** The servers' file of callers. Every caller in it has all scopes. */
export type CallersFile = {
  readonly path: string;
  newToken(): string;
  /** Sets a caller's only token; undefined removes the caller. */
  put(name: string, token: string | undefined): Promise<void>;
};

const SCOPES = "[points.read, points.spend, points.refund, points.grant, points.revoke]";

/** A callers' file that does not exist yet; the first `put` writes it. */
export function callersFileAt(path: string): CallersFile {
  const tokens = new Map<string, string>();
  return {
    path,
    newToken: () => randomBytes(24).toString("hex"),
    async put(name, token) {
      if (token === undefined) tokens.delete(name);
      else tokens.set(name, token);
      const lines = [...tokens].map(
        ([caller, its]) => `  ${caller}: { token: "${its}", scopes: ${SCOPES} }\n`,
      );
      // Renaming is atomic: a server that starts now must not read half of the file.
      await writeFile(`${path}.new`, `callers:\n${lines.join("")}`);
      await rename(`${path}.new`, path);
    },
  };
}
