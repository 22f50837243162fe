import {
  create,
  type DescMessage,
  type JsonValue,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import {
  type Account,
  AccountSchema,
  type Entry,
  HoldSchema,
  LotSchema,
} from "../../gen/points/v1/account_pb.ts";
import {
  ConsumeResponseSchema,
  ListEntriesResponseSchema,
  type PointsService,
  RechargeResponseSchema,
} from "../../gen/points/v1/points_pb.ts";
import { UserError } from "../errors/user-error.ts";
import { accountTable, answerText, holdTable, lotTable } from "./account.ts";
import {
  length,
  readArguments,
  required,
  serverUrl,
  wholeNumber,
  WrongUsage,
} from "./arguments.ts";
import { withClient } from "./connect.ts";
import { statementTable } from "./statement.ts";

// Commands for people at a terminal, against a running server.

const SERVER = { server: { type: "string" }, json: { type: "boolean" } } as const;
const PAGE_MAX = 1000;

/** `points account USER`: the account now, without making one. */
export async function showAccount(args: readonly string[]): Promise<void> {
  const { values, positionals } = readArguments(args, SERVER, ["USER"]);
  const userId = required(positionals[0], "USER");
  await withClient(serverUrl(values.server), async (client) => {
    const account = await accountNow(client, userId);
    const { lots, nextPageToken: moreLots } = await client.listLots({ userId });
    const { holds, nextPageToken: moreHolds } = await client.listHolds({ userId, openOnly: true });
    if (values.json === true) {
      return printJson({
        account: asJson(AccountSchema, account),
        lots: lots.map((lot) => asJson(LotSchema, lot)),
        holds: holds.map((hold) => asJson(HoldSchema, hold)),
      });
    }
    console.log(`${accountTable(account)}\n\n${lotTable(lots)}${moreLots === "" ? "" : "\n…"}`);
    if (holds.length > 0) console.log(`\n${holdTable(holds)}${moreHolds === "" ? "" : "\n…"}`);
  });
}

/** `points recharge USER POINTS`. */
export async function recharge(args: readonly string[]): Promise<void> {
  const options = {
    ...SERVER,
    ttl: { type: "string" },
    priority: { type: "string" },
    "request-id": { type: "string" },
  } as const;
  const { values, positionals } = readArguments(args, options, ["USER", "POINTS"]);
  const request = {
    userId: required(positionals[0], "USER"),
    points: wholeNumber(required(positionals[1], "POINTS"), "POINTS"),
    requestId: values["request-id"] ?? "",
    priority: Number(wholeNumber(values.priority ?? "0", "--priority")),
    expiration:
      values.ttl === undefined
        ? ({ case: undefined } as const)
        : ({ case: "ttl", value: length(values.ttl, "--ttl") } as const),
  };
  if (request.priority > 1000) throw new WrongUsage("--priority takes 0 to 1000");
  await withClient(serverUrl(values.server), async (client) => {
    const answer = await client.recharge(request);
    if (values.json === true) return printJson(asJson(RechargeResponseSchema, answer));
    console.log(answerText(answer));
  });
}

/** `points consume USER POINTS`, or with a service. */
export async function consume(args: readonly string[]): Promise<void> {
  const options = {
    ...SERVER,
    service: { type: "string" },
    quantity: { type: "string" },
    duration: { type: "string" },
    "request-id": { type: "string" },
  } as const;
  const { values, positionals } = readArguments(args, options, ["USER", "POINTS"]);
  const request = {
    userId: required(positionals[0], "USER"),
    requestId: values["request-id"] ?? "",
    cost: costOf(positionals[1], values),
  };
  await withClient(serverUrl(values.server), async (client) => {
    const answer = await client.consume(request);
    if (values.json === true) return printJson(asJson(ConsumeResponseSchema, answer));
    console.log(answerText(answer));
  });
}

/** `points statement USER`: the last entries, the newest at the end. */
export async function showStatement(args: readonly string[]): Promise<void> {
  const options = { ...SERVER, limit: { type: "string", default: "20" } } as const;
  const { values, positionals } = readArguments(args, options, ["USER"]);
  const userId = required(positionals[0], "USER");
  const limit = Number(wholeNumber(values.limit, "--limit"));
  if (limit === 0) throw new WrongUsage("--limit takes 1 or more");
  await withClient(serverUrl(values.server), async (client) => {
    const entries: Entry[] = [];
    let pageToken = "";
    do {
      const pageSize = Math.min(limit - entries.length, PAGE_MAX);
      const page = await client.listEntries({ userId, pageSize, pageToken });
      entries.push(...page.entries);
      pageToken = page.nextPageToken;
    } while (pageToken !== "" && entries.length < limit);
    if (values.json === true) {
      const answer = create(ListEntriesResponseSchema, { entries, nextPageToken: pageToken });
      return printJson(asJson(ListEntriesResponseSchema, answer));
    }
    if (entries.length === 0) return console.log(`${userId} has no entries`);
    console.log(statementTable(entries.toReversed()));
    if (pageToken !== "") console.log("\nThere are more before these: see --limit.");
  });
}

type CostOptions = {
  readonly service?: string | undefined;
  readonly quantity?: string | undefined;
  readonly duration?: string | undefined;
};

function costOf(points: string | undefined, { service, quantity, duration }: CostOptions) {
  if (service === undefined) {
    const hasAmount = quantity !== undefined || duration !== undefined;
    if (hasAmount) throw new WrongUsage("--service is missing");
    if (points === undefined) throw new WrongUsage("POINTS is missing, or --service");
    return { case: "points", value: wholeNumber(points, "POINTS") } as const;
  }
  if (points !== undefined) throw new WrongUsage("there are POINTS and --service: it takes one");
  return { case: "usage", value: { service, ...amountOf(quantity, duration) } } as const;
}

function amountOf(quantity: string | undefined, duration: string | undefined) {
  if (quantity !== undefined && duration !== undefined) {
    throw new WrongUsage("there are --quantity and --duration: it takes one");
  }
  if (quantity !== undefined) {
    return { amount: { case: "quantity", value: wholeNumber(quantity, "--quantity") } } as const;
  }
  if (duration === undefined) return {};
  return { amount: { case: "duration", value: length(duration, "--duration") } } as const;
}

/** GetOrCreate would make the account of a name that was mistyped. */
async function accountNow(client: Client<typeof PointsService>, userId: string): Promise<Account> {
  const stopping = new AbortController();
  const watched = client.watchAccount({ userId }, { signal: stopping.signal });
  const answers = watched[Symbol.asyncIterator]();
  const { value } = await answers.next();
  // The stream ends now, and not with the call's deadline, once its end has been read as well.
  stopping.abort();
  await answers.next().catch(() => {});
  if (value?.account === undefined) throw new UserError("the server is stopping");
  return value.account;
}

/** With what is 0 as well: who asks for the balance is to find one. */
function asJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): JsonValue {
  return toJson(schema, message, { alwaysEmitImplicit: true });
}

function printJson(value: JsonValue): void {
  console.log(JSON.stringify(value, null, 2));
}
