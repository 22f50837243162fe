import { Table } from "@mantine/core";
import { type ReactNode, useId } from "react";
import styles from "./wide-table.module.css";

/** A short table that scrolls sideways in a box of its own where the window is narrow. */
export function WideTable({
  caption,
  children,
}: {
  /** What the table is, for whoever hears the page. */
  readonly caption: string;
  readonly children: ReactNode;
}) {
  const captionId = useId();
  return (
    <div className={styles["box"]} role="group" aria-labelledby={captionId} tabIndex={0}>
      <Table className={styles["table"]} verticalSpacing={6}>
        <caption id={captionId} className={styles["caption"]}>
          {caption}
        </caption>
        {children}
      </Table>
    </div>
  );
}
