import styles from "./account.module.css";
import type { WatchState } from "./watch.ts";
import { useWords } from "./words.ts";

/** Whether what is shown follows the ledger. */
export function LiveSign({ state }: { readonly state: WatchState }) {
  const say = useWords();
  return (
    <div role="status" className={styles["sign"]} data-state={state}>
      <span className={styles["dot"]} aria-hidden />
      {say(state)}
    </div>
  );
}
