import { percentOf } from "../parts/percent.ts";
import styles from "./overview.module.css";

/** How large a figure is beside the largest, as a bar. The figure itself stands next to it. */
export function ShareBar({ points, of }: { readonly points: bigint; readonly of: bigint }) {
  return (
    <div className={styles["track"]} aria-hidden>
      <div className={styles["bar"]} style={{ width: `${percentOf(points, of)}%` }} />
    </div>
  );
}
