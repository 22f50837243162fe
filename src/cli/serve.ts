import { readConfig } from "../config/environment.ts";
import { serve } from "../server/serve.ts";
import { readArguments } from "./arguments.ts";

/** `points serve`: serves until a signal stops it. */
export async function runServe(args: readonly string[]): Promise<void> {
  readArguments(args, {}, []);
  await serve(readConfig(process.env));
  // Do not wait for connections that are still open.
  process.exit();
}
