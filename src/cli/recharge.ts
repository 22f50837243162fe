import { RechargeResponseSchema } from "../../gen/points/v1/points_pb.ts";
import { duration, readArguments, required, wholeNumber, WrongUsage } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { answerText } from "./entry-table.ts";
import { REQUEST_OPTIONS, requestOf } from "./request-options.ts";

/** `points recharge USER POINTS`: adds points to an account. */
export async function runRecharge(args: readonly string[]): Promise<void> {
  const options = {
    ...CLIENT_OPTIONS,
    ttl: { type: "string" },
    priority: { type: "string" },
    category: { type: "string" },
    service: { type: "string", multiple: true },
    ...REQUEST_OPTIONS,
  } as const;
  const { values, positionals } = readArguments(args, options, ["USER", "POINTS"]);
  const request = {
    userId: required(positionals[0], "USER"),
    points: wholeNumber(required(positionals[1], "POINTS"), "POINTS"),
    ...requestOf(values),
    priority: Number(wholeNumber(values.priority ?? "0", "--priority")),
    category: values.category ?? "",
    services: values.service ?? [],
    expiration:
      values.ttl === undefined
        ? ({ case: undefined } as const)
        : ({ case: "ttl", value: duration(values.ttl, "--ttl") } as const),
  };
  if (request.priority > 1000) throw new WrongUsage("--priority takes 0 to 1000");
  await withClient(values.server, async (client) => {
    const answer = await client.recharge(request);
    if (values.json === true) return printJson(asJson(RechargeResponseSchema, answer));
    console.log(answerText(answer, request));
  });
}
