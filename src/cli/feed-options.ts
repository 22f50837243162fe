import { resolve } from "node:path";
import { create } from "@bufbuild/protobuf";
import { durationMs, DurationSchema } from "@bufbuild/protobuf/wkt";
import type { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { readSecrets } from "../relay/standard-webhook.ts";
import { RETRY_LIMITS, type RetryLimits } from "../relay/verdict.ts";
import { duration, readArguments, required, WrongUsage } from "./arguments.ts";
import { kindOptions } from "./kind-option.ts";

/** What `points feed` is asked to do. */
export type FeedOptions = {
  readonly source:
    | { readonly kind: "stream"; readonly cursorPath: string; readonly from: "" | "0" }
    | { readonly kind: "letters"; readonly path: string };
  readonly filter: FeedFilter;
  readonly target:
    | { readonly kind: "webhook"; readonly url: string; readonly secrets: readonly Uint8Array[] }
    | { readonly kind: "command"; readonly command: string }
    | { readonly kind: "output" };
  readonly deadLettersPath: string | undefined;
  readonly limits: RetryLimits;
  readonly server: string | undefined;
};

/** Which entries are delivered. Empty: all. */
export type FeedFilter = {
  readonly kinds: readonly EntryKind[];
  readonly alerts: ReadonlySet<string>;
  readonly userIdPrefix: string;
};

/**
 * Reads the command line of `points feed`.
 *
 * @param secret the variable FEED_SECRET
 * @throws {WrongUsage | UserError}
 */
export function readFeedOptions(args: readonly string[], secret: string | undefined): FeedOptions {
  const { values } = readArguments(args, OPTIONS, []);
  return {
    source: sourceOf(values),
    filter: {
      kinds: kindOptions(values.kind),
      alerts: new Set(values.alert),
      userIdPrefix: values["user-prefix"],
    },
    target: targetOf(values, secret),
    deadLettersPath: values["dead-letters"],
    limits: { ...RETRY_LIMITS, ...giveUp(values) },
    server: values.server,
  };
}

const OPTIONS = {
  cursor: { type: "string" },
  from: { type: "string", default: "now" },
  kind: { type: "string", multiple: true, default: [] as string[] },
  alert: { type: "string", multiple: true, default: [] as string[] },
  "user-prefix": { type: "string", default: "" },
  webhook: { type: "string" },
  exec: { type: "string" },
  "dead-letters": { type: "string" },
  "give-up-after": { type: "string" },
  resend: { type: "string" },
  server: { type: "string" },
} satisfies Parameters<typeof readArguments>[1];

type Values = ReturnType<typeof readArguments<typeof OPTIONS>>["values"];

function sourceOf({ cursor, from, resend, ...values }: Values): FeedOptions["source"] {
  if (resend !== undefined) {
    if (cursor !== undefined) throw new WrongUsage("--resend and --cursor exclude each other");
    // What is refused again would be appended to what is still being read.
    const deadLetters = values["dead-letters"];
    if (deadLetters !== undefined && resolve(deadLetters) === resolve(resend)) {
      throw new WrongUsage("--resend and --dead-letters take two files");
    }
    return { kind: "letters", path: required(resend, "--resend FILE") };
  }
  const cursorPath = required(cursor, "--cursor FILE");
  if (from !== "now" && from !== "0")
    throw new WrongUsage(`--from takes now or 0, and not ${from}`);
  return { kind: "stream", cursorPath, from: from === "now" ? "" : "0" };
}

function targetOf(values: Values, secret = ""): FeedOptions["target"] {
  const { webhook, exec } = values;
  if (webhook !== undefined && exec !== undefined) {
    throw new WrongUsage("--webhook and --exec exclude each other: start a feed for each target");
  }
  if (exec !== undefined) return { kind: "command", command: required(exec, "--exec COMMAND") };
  if (webhook === undefined) {
    if (values["dead-letters"] === undefined) return { kind: "output" };
    throw new WrongUsage("--dead-letters needs --webhook or --exec");
  }
  return { kind: "webhook", url: urlOf(webhook), secrets: readSecrets(secret, "FEED_SECRET") };
}

/** The value is not repeated in the error: it may contain a password. */
function urlOf(text: string): string {
  const url = URL.parse(text);
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (url !== null && isHttp && url.username === "" && url.password === "") return url.href;
  throw new WrongUsage("--webhook takes an http or https URL without a user's name or password");
}

function giveUp(values: Values): Pick<RetryLimits, "giveUpMs"> | undefined {
  const text = values["give-up-after"];
  if (text === undefined) return undefined;
  if (values["dead-letters"] === undefined) {
    throw new WrongUsage("--give-up-after needs --dead-letters");
  }
  return { giveUpMs: durationMs(create(DurationSchema, duration(text, "--give-up-after"))) };
}
