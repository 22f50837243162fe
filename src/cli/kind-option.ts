import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { kindName } from "../relay/cloud-event.ts";
import { WrongUsage } from "./arguments.ts";

/**
 * Reads the names of kinds, such as consume, that the option --kind was given: each kind once.
 *
 * @throws {WrongUsage}
 */
export function kindOptions(names: readonly string[]): EntryKind[] {
  return [...new Set(names)].map(kindNamed);
}

function kindNamed(name: string): EntryKind {
  const kinds = Object.values(EntryKind).filter((kind) => kind !== EntryKind.UNSPECIFIED);
  const found = kinds.find((kind) => kindName(kind) === name);
  if (found !== undefined) return found;
  throw new WrongUsage(`--kind takes one of ${kinds.map(kindName).join(", ")}, and not ${name}`);
}
