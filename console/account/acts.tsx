import { Group } from "@mantine/core";
import { useSession } from "../app/session.tsx";
import { ActLink } from "../parts/act-link.tsx";
import { ACTS } from "../parts/acts.ts";
import { useWords } from "./words.ts";

const OF_ACCOUNTS = ["recharge", "revoke", "expire", "policy"] as const;

/** What the caller may do with the account. */
export function Acts({ user }: { readonly user: string }) {
  const say = useWords();
  const { may } = useSession();
  if (!OF_ACCOUNTS.some((act) => may(ACTS[act].scope))) return null;
  return (
    <nav aria-label={say("acts")}>
      <Group gap="xs">
        {OF_ACCOUNTS.map((act) => (
          <ActLink key={act} user={user} act={act} />
        ))}
      </Group>
    </nav>
  );
}
