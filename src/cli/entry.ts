import { GetEntryResponseSchema } from "../../gen/points/v1/points_pb.ts";
import { readArguments, required, wholeNumber, WrongUsage } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { statementTable } from "./entry-table.ts";

/** `points entry USER NUMBER`, or with --request-id: prints an entry, and what became of it. */
export async function runEntry(args: readonly string[]): Promise<void> {
  const options = { ...CLIENT_OPTIONS, "request-id": { type: "string" } } as const;
  const { values, positionals } = readArguments(args, options, ["USER", "NUMBER"]);
  const userId = required(positionals[0], "USER");
  const by = nameOf(positionals[1], values["request-id"]);
  await withClient(values.server, async (client) => {
    const answer = await client.getEntry({ userId, by });
    if (values.json === true) return printJson(asJson(GetEntryResponseSchema, answer));
    const { entry, refunded, revoked, claimed, referringEntries: referring } = answer;
    console.log(statementTable(entry === undefined ? [] : [entry]));
    if (refunded > 0n) console.log(`\n${refunded} points were refunded since.`);
    if (revoked > 0n) {
      console.log(`\n${revoked} points of its lot were revoked, ${claimed} of them are claimed.`);
    }
    const numbers = referring.map((sequence) => `#${sequence}`).join(", ");
    if (numbers !== "") console.log(`\nAbout it: ${numbers}`);
    console.log(`\nhash ${Buffer.from(entry?.hash ?? []).toString("base64")}`);
  });
}

function nameOf(number: string | undefined, requestId: string | undefined) {
  if (requestId === undefined) {
    if (number === undefined) throw new WrongUsage("NUMBER is missing, or --request-id");
    return { case: "sequence", value: wholeNumber(number, "NUMBER") } as const;
  }
  if (number !== undefined) {
    throw new WrongUsage("there are NUMBER and --request-id: it takes one");
  }
  return { case: "requestId", value: requestId } as const;
}
