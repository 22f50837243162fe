import { type GetLedgerResponse, GetLedgerResponseSchema } from "../../gen/points/v1/ledger_pb.ts";
import { readArguments } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { table } from "./table.ts";

/** `points whoami`: prints which ledger this is, and whom it takes the caller for. */
export async function runWhoami(args: readonly string[]): Promise<void> {
  const { values } = readArguments(args, CLIENT_OPTIONS, []);
  await withClient(values.server, async (_, __, ledger) => {
    const answer = await ledger.getLedger({});
    if (values.json === true) return printJson(asJson(GetLedgerResponseSchema, answer));
    console.log(ledgerTable(answer));
  });
}

function ledgerTable({ caller, shards, ...ledger }: GetLedgerResponse): string {
  const { name = "", scopes = [], userIdPrefix = "", maxPoints = 0n } = caller ?? {};
  const rows = [
    ["ledger", ledger.ledgerId],
    ["epoch", String(ledger.epoch)],
    ["software", ledger.softwareVersion],
    ["schema", String(ledger.schemaVersion)],
    ...shards.map((shard) => [
      `shard ${shard.number}`,
      `slots ${shard.firstSlot} to ${shard.lastSlot}`,
    ]),
    ["caller", name === "" ? "anybody: the server asks nobody who they are" : name],
    ["scopes", scopes.join(", ")],
    ["users", userIdPrefix === "" ? "all" : `${userIdPrefix}…`],
    ["points at once", maxPoints === 0n ? "any number" : `at most ${maxPoints}`],
  ];
  return table([{ title: "what" }, { title: "is" }], rows);
}
