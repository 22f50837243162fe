import { useSession } from "../app/session.tsx";
import { wordsOf } from "../app/words.ts";
import { type Act, ACTS } from "./acts.ts";
import { ButtonLink } from "./links.ts";

const useWords = wordsOf("act-link", {
  en: {
    refund: "Refund …",
    recharge: "Recharge …",
    revoke: "Revoke …",
    expire: "Expire …",
    release: "Release …",
    policy: "Set policy …",
    "policy-change": "Change …",
    "delete-policy": "End …",
  },
  zh: {
    refund: "退款…",
    recharge: "充值…",
    revoke: "收回…",
    expire: "作废…",
    release: "解除预扣…",
    policy: "设置规则…",
    "policy-change": "更改…",
    "delete-policy": "终止…",
  },
});

/**
 * Leads to the form of an act. Nothing, if the caller may not do it.
 *
 * @param of the entry, lot, hold or policy that it is about
 * @param about follows the act's word for whoever hears the page, where many such links are on it
 */
export function ActLink({
  user,
  act,
  of,
  about,
}: {
  readonly user: string;
  readonly act: Act;
  readonly of?: bigint | string;
  readonly about?: string;
}) {
  const say = useWords();
  const { may } = useSession();
  if (!may(ACTS[act].scope)) return null;
  const word = say(act === "policy" && of !== undefined ? "policy-change" : act);
  return (
    <ButtonLink
      to="/act"
      search={{ user, act, ...(of === undefined ? {} : { of: String(of) }) }}
      variant="default"
      size="xs"
      aria-label={about === undefined ? undefined : `${word} ${about}`}
    >
      {word}
    </ButtonLink>
  );
}
