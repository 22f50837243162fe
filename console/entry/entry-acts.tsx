import { Group } from "@mantine/core";
import { ActLink } from "../parts/act-link.tsx";
import { actsOf } from "./acts-of.ts";
import type { KnownEntry } from "./known-entry.ts";

/** Leads to the acts that are about an entry and that the caller may do. */
export function EntryActs({ known }: { readonly known: KnownEntry }) {
  const { userId, sequence } = known.entry;
  const acts = actsOf(known);
  if (acts.length === 0) return null;
  return (
    <Group gap="xs" mt="md">
      {acts.map((act) => (
        <ActLink key={act} user={userId} act={act} of={sequence} />
      ))}
    </Group>
  );
}
