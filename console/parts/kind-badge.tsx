import { Badge } from "@mantine/core";
import type { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { useKindNames } from "./kinds.ts";
import { signOf } from "./signs.ts";

/** What an entry did, in a word and a colour: green adds to the balance, blue takes from it. */
export function KindBadge({ kind }: { readonly kind: EntryKind }) {
  const nameOf = useKindNames();
  return (
    <Badge variant="light" radius="sm" tt="none" color={COLOURS[String(signOf(kind))]!}>
      {nameOf(kind)}
    </Badge>
  );
}

const COLOURS: Readonly<Record<string, string>> = { "1": "green", "-1": "blue", "0": "gray" };
