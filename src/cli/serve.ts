import { readConfig } from "../config/environment.ts";
import { serve } from "../server/serve.ts";
import { readArguments } from "./arguments.ts";

/** `points serve`: until it is told to stop. */
export async function runServe(args: readonly string[]): Promise<void> {
  readArguments(args, {}, []);
  await serve(readConfig(process.env));
  // Whatever is left of a connection.
  process.exit();
}
