import { Group } from "@mantine/core";
import { useSession } from "../app/session.tsx";
import { ButtonLink } from "../parts/links.ts";
import { useWords } from "./words.ts";

/** What the caller may do with the account. */
export function Acts({ user }: { readonly user: string }) {
  const say = useWords();
  const { may } = useSession();
  const acts = [
    may("points.grant") && ("recharge" as const),
    may("points.revoke") && ("revoke" as const),
    may("points.revoke") && ("expire" as const),
    may("points.policy") && ("policy" as const),
  ].filter((act) => act !== false);
  if (acts.length === 0) return null;
  return (
    <nav aria-label={say("acts")}>
      <Group gap="xs">
        {acts.map((act) => (
          <ButtonLink
            key={act}
            to="/act"
            search={{ user, act }}
            size="xs"
            variant={act === "recharge" ? "filled" : "default"}
          >
            {say(act)}
          </ButtonLink>
        ))}
      </Group>
    </nav>
  );
}
