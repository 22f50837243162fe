import { ConsumeResponseSchema, Shortfall } from "../../gen/points/v1/points_pb.ts";
import { duration, readArguments, required, wholeNumber, WrongUsage } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { answerText } from "./entry-table.ts";
import { REQUEST_OPTIONS, requestOf } from "./request-options.ts";

/** `points consume USER POINTS`, or with --service: spends points, or the price of a service. */
export async function runConsume(args: readonly string[]): Promise<void> {
  const options = {
    ...CLIENT_OPTIONS,
    service: { type: "string" },
    quantity: { type: "string" },
    duration: { type: "string" },
    meter: { type: "string", multiple: true },
    attribute: { type: "string", multiple: true },
    "on-shortfall": { type: "string" },
    member: { type: "string", default: "" },
    ...REQUEST_OPTIONS,
  } as const;
  const { values, positionals } = readArguments(args, options, ["USER", "POINTS"]);
  const request = {
    userId: required(positionals[0], "USER"),
    ...requestOf(values),
    cost: costOf(positionals[1], values),
    onShortfall: shortfallOf(values["on-shortfall"]),
    member: values.member,
  };
  await withClient(values.server, async (client) => {
    const answer = await client.consume(request);
    if (values.json === true) return printJson(asJson(ConsumeResponseSchema, answer));
    console.log(answerText(answer, request));
  });
}

function shortfallOf(text: string | undefined): Shortfall {
  if (text === undefined) return Shortfall.UNSPECIFIED;
  const shortfall = SHORTFALLS[text];
  if (shortfall === undefined) throw new WrongUsage("--on-shortfall takes refuse, take or owe");
  return shortfall;
}

const SHORTFALLS: Readonly<Record<string, Shortfall>> = {
  refuse: Shortfall.REFUSE,
  take: Shortfall.TAKE,
  owe: Shortfall.OWE,
};

type UsageOptions = {
  readonly service?: string | undefined;
  readonly quantity?: string | undefined;
  readonly duration?: string | undefined;
  readonly meter?: readonly string[] | undefined;
  readonly attribute?: readonly string[] | undefined;
};

function costOf(points: string | undefined, usage: UsageOptions) {
  const { service } = usage;
  if (service === undefined) {
    const { quantity, duration: length, meter, attribute } = usage;
    const hasDetails = [quantity, length, meter, attribute].some((one) => one !== undefined);
    if (hasDetails) throw new WrongUsage("--service is missing");
    if (points === undefined) throw new WrongUsage("POINTS is missing, or --service");
    return { case: "points", value: wholeNumber(points, "POINTS") } as const;
  }
  if (points !== undefined) throw new WrongUsage("there are POINTS and --service: it takes one");
  const meters = pairsOf(usage.meter, "--meter").map(([name, amount]) => {
    return [name, wholeNumber(amount, `--meter ${name}`)] as const;
  });
  const attributes = pairsOf(usage.attribute, "--attribute");
  const details = {
    ...amountOf(usage),
    meters: Object.fromEntries(meters),
    attributes: Object.fromEntries(attributes),
  };
  return { case: "usage", value: { service, ...details } } as const;
}

/** Options of the form NAME=VALUE, each name once. */
function pairsOf(texts: readonly string[] = [], option: string): (readonly [string, string])[] {
  const names = new Set<string>();
  return texts.map((text) => {
    const at = text.indexOf("=");
    const name = text.slice(0, at);
    if (at < 1) throw new WrongUsage(`${option} takes NAME=VALUE, and not ${text}`);
    if (names.has(name)) throw new WrongUsage(`${option} ${name} is there twice`);
    names.add(name);
    return [name, text.slice(at + 1)];
  });
}

function amountOf({ quantity, duration: length }: UsageOptions) {
  if (quantity !== undefined && length !== undefined) {
    throw new WrongUsage("there are --quantity and --duration: it takes one");
  }
  if (quantity !== undefined) {
    return { amount: { case: "quantity", value: wholeNumber(quantity, "--quantity") } } as const;
  }
  if (length === undefined) return {};
  return { amount: { case: "duration", value: duration(length, "--duration") } } as const;
}
