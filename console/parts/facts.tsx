import type { ReactNode } from "react";
import styles from "./facts.module.css";

/** Names, each once, and values. */
export type FactRows = readonly (readonly [name: string, value: ReactNode])[];

/**
 * What is known of a thing. What is not set, such as undefined, false or "", is left out.
 *
 * @param layout names beside values, or above them in as many columns as there is room for
 */
export function Facts({
  rows,
  layout = "rows",
}: {
  readonly rows: FactRows;
  readonly layout?: "rows" | "columns";
}) {
  const known = rows.filter(([, value]) => Boolean(value));
  return (
    <dl className={`${styles["facts"]} ${styles[layout]}`}>
      {known.map(([name, value]) => (
        <div key={name} className={styles["fact"]}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
