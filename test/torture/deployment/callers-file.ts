import { randomBytes } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";

/** The file that tells servers who may call, and may do all. */
export type CallersFile = {
  readonly path: string;
  newToken(): string;
  /** Lets a caller in with this token, and no other; undefined: with none. */
  put(name: string, token: string | undefined): Promise<void>;
};

const SCOPES = "[points.read, points.spend, points.refund, points.grant, points.revoke]";

/** A file that names nobody, and is not there yet. */
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
      // A server that starts now must not find half of it.
      await writeFile(`${path}.new`, `callers:\n${lines.join("")}`);
      await rename(`${path}.new`, path);
    },
  };
}
