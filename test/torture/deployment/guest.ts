import { randomBytes } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../support/random.ts";
import { thrownOutcome } from "../load/history.ts";
import { type Target, targetAt } from "./targets.ts";

/** When no server may let a caller in: milliseconds of `performance.now()`. */
export type Out = { readonly from: number; upTo: number };

/** A stream, and the reason why it ended; undefined while open, empty if there was no error. */
export type OpenStream = { readonly what: string; end: string | undefined };

/** A caller whose credentials are revoked now and then, in the middle of its calls. */
export type Guest = {
  readonly name: string;
  /** The servers, called with the guest's token of the time. */
  readonly targets: readonly Target[];
  readonly outs: readonly Out[];
  readonly streams: Set<OpenStream>;
  /** Revokes the token until no server accepts it, then gives the guest a new one. */
  comeAndGo(random: Random, complain: (what: string) => void): Promise<void>;
};

const NAME = "guest";
const DENIAL_PATIENCE_MS = 30_000;
const STREAM_PATIENCE_MS = 10_000;
const PAUSE_MS = 20;
const CALL = { timeoutMs: 2_000 };

/**
 * Adds a guest to the callers' file.
 *
 * @param servers the number of servers
 * @param hangUp makes the servers reload the file (SIGHUP)
 */
export async function newGuest(
  callers: CallersFile,
  servers: number,
  hangUp: () => void,
): Promise<Guest> {
  let token = callers.newToken();
  await callers.put(NAME, token);
  const targets = Array.from({ length: servers }, () => targetAt(undefined, () => token));
  const outs: Out[] = [];
  const streams = new Set<OpenStream>();
  return {
    name: NAME,
    targets,
    outs,
    streams,
    async comeAndGo(random, complain) {
      // A new token in the file revokes the old one too, which the guest still sends.
      await callers.put(NAME, random.chance(0.5) ? undefined : callers.newToken());
      hangUp();
      const denials = await Promise.all(targets.map(isDenied));
      if (denials.includes(false)) complain("a caller who was withdrawn is still let in");
      else {
        const out = { from: performance.now(), upTo: Infinity };
        outs.push(out);
        await Promise.all([
          sleep(random.whole(200, 1_500)),
          ...[...streams].map((stream) => expectEnd(stream, complain)),
        ]);
        out.upTo = performance.now();
      }
      const next = callers.newToken();
      await callers.put(NAME, next);
      hangUp();
      token = next;
    },
  };
}

/** Whether the server answers UNAUTHENTICATED in time; it may be down for a while. */
async function isDenied(target: Target): Promise<boolean> {
  for (const until = performance.now() + DENIAL_PATIENCE_MS; performance.now() < until;) {
    try {
      await target.client().getPriceList({}, CALL);
    } catch (thrown) {
      const outcome = thrownOutcome(thrown);
      if ("reason" in outcome && outcome.reason === "UNAUTHENTICATED") return true;
    }
    await sleep(PAUSE_MS);
  }
  return false;
}

async function expectEnd(stream: OpenStream, complain: (what: string) => void): Promise<void> {
  const until = performance.now() + STREAM_PATIENCE_MS;
  while (stream.end === undefined && performance.now() < until) await sleep(PAUSE_MS);
  // Any error is fine: other faults may have ended the stream.
  const isWrong = stream.end === undefined || stream.end === "";
  const how = stream.end === undefined ? "stayed open" : "ended as if nothing were wrong";
  if (isWrong) complain(`${stream.what} of a caller who was withdrawn ${how}`);
}

/** The servers' file of callers. Every caller in it has all scopes. */
export type CallersFile = {
  readonly path: string;
  newToken(): string;
  /** Sets a caller's only token; undefined removes the caller. */
  put(name: string, token: string | undefined): Promise<void>;
};

const SCOPES =
  "[points.read, points.spend, points.refund, points.grant, points.revoke, points.policy, points.audit]";

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
