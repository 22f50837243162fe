import styles from "./overview.module.css";

/** How large a figure is beside the largest, as a bar. The figure itself stands next to it. */
export function ShareBar({ points, of }: { readonly points: bigint; readonly of: bigint }) {
  const thousandths = of === 0n ? 0n : (points * 1_000n) / of;
  return (
    <div className={styles["track"]} aria-hidden>
      <div className={styles["bar"]} style={{ width: `${Number(thousandths) / 10}%` }} />
    </div>
  );
}
