import { useFormats } from "../app/formats.ts";
import { EntryLink } from "../parts/entry-link.tsx";
import styles from "./act.module.css";
import type { Followed } from "./followed.ts";
import { useWords } from "./words.ts";

/** What the ledger does by itself right after an entry; with links to what is written. */
export function FollowedList({
  user,
  followed,
}: {
  readonly user: string;
  readonly followed: readonly Followed[];
}) {
  const say = useWords();
  const { points } = useFormats();
  if (followed.length === 0) return null;
  const text = ({ what, lot, name = "", ...one }: Followed) => {
    const values = { points: points(one.points), lot: `${lot ?? ""}`, name };
    switch (what) {
      case "claim":
        return say("follows-claim", values);
      case "expiry":
        return say(lot === undefined ? "follows-expiries" : "follows-expiry", values);
      case "allowance":
        return say("follows-allowance", values);
      case "policy":
        return say("follows-policy", values);
    }
  };
  return (
    <ul className={styles["followed"]} aria-label={say("follows")}>
      {followed.map((one) => (
        <li key={`${one.sequence} ${one.what} ${one.lot}`}>
          {one.sequence !== undefined && (
            <>
              <EntryLink user={user} sequence={one.sequence} />{" "}
            </>
          )}
          {text(one)}
        </li>
      ))}
    </ul>
  );
}
