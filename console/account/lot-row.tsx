import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Badge, Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { Lot } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { isolated } from "../app/isolated.ts";
import { EntryLink } from "../parts/entry-link.tsx";
import { Instant } from "../parts/instant.tsx";
import { percentOf } from "../parts/percent.ts";
import { LotOrigin } from "./lot-origin.tsx";
import { partsOf } from "./lot-parts.ts";
import styles from "./lots.module.css";
import type { TimeLine } from "./time-line.ts";
import { useDistances } from "./use-distance.ts";
import { useLotWords } from "./words.ts";

type Props = {
  readonly user: string;
  readonly lot: Lot;
  readonly nowMs: number;
  readonly line: TimeLine;
};

/** A lot: what kind of points it has, how many are left, and until when. */
export function LotRow({ user, lot, nowMs, line }: Props) {
  return (
    <li className={styles["lot"]}>
      <div className={styles["name"]}>
        <EntryLink user={user} sequence={lot.number} />
        <LotOrigin user={user} lot={lot.number} />
        <Kinds lot={lot} />
      </div>
      <Bar lot={lot} />
      <Expiry lot={lot} nowMs={nowMs} line={line} />
    </li>
  );
}

function Kinds({ lot }: Pick<Props, "lot">) {
  const say = useLotWords();
  const { points } = useFormats();
  const { category, services, priority, revoked, claimed } = lot;
  return (
    <Group gap={4}>
      {category !== "" && <Note>{category}</Note>}
      {services.length > 0 && (
        <Note>{say("only", { services: services.map(isolated).join(", ") })}</Note>
      )}
      {priority !== 0 && <Note>{say("priority", { priority })}</Note>}
      {revoked > claimed && <Note>{say("revoked", { points: points(revoked - claimed) })}</Note>}
      {claimed > 0n && (
        <Text size="xs" c="var(--mantine-color-error)" span>
          {say("claimed", { points: points(claimed) })}
        </Text>
      )}
    </Group>
  );
}

function Note({ children }: { readonly children: ReactNode }) {
  return (
    <Badge variant="default" size="sm" tt="none" fw={400} className={styles["note"]}>
      {children}
    </Badge>
  );
}

function Bar({ lot }: Pick<Props, "lot">) {
  const say = useLotWords();
  const { points } = useFormats();
  const { remaining, frozen, gone } = partsOf(lot);
  const part = (name: "remaining" | "frozen", of: bigint) =>
    of > 0n && (
      <span data-part={name} style={{ width: `${Math.max(1, percentOf(of, lot.points))}%` }} />
    );
  return (
    <div className={styles["points"]}>
      <div className={styles["bar"]} aria-hidden>
        {part("remaining", remaining)}
        {part("frozen", frozen)}
      </div>
      <div className={styles["parts"]}>
        <strong>{say("partLeft", { points: points(remaining) })}</strong>
        {frozen > 0n && <span>{say("partFrozen", { points: points(frozen) })}</span>}
        {gone > 0n && <span>{say("partGone", { points: points(gone) })}</span>}
        <span>{say("of", { points: points(lot.points) })}</span>
      </div>
    </div>
  );
}

function Expiry({ lot: { expireTime }, nowMs, line }: Omit<Props, "user">) {
  const say = useLotWords();
  const { until } = useDistances();
  if (expireTime === undefined) {
    return (
      <div className={styles["expiry"]}>
        <div className={styles["line"]} aria-hidden>
          <span className={styles["never"]} />
        </div>
        <span>{say("neverExpires")}</span>
      </div>
    );
  }
  const expireMs = timestampMs(expireTime);
  const distance = until(expireMs - nowMs);
  return (
    <div className={styles["expiry"]}>
      <div className={styles["line"]} aria-hidden>
        <span className={styles["dated"]}>
          <span style={{ width: `${line.placeOf(expireMs) * 100}%` }} />
        </span>
      </div>
      <span>
        <Instant
          time={expireTime}
          say={(time) => (expireMs < nowMs ? say("past", { time }) : time)}
        />
        {distance !== undefined && ` · ${distance}`}
      </span>
    </div>
  );
}

/** A colour of the bars, and what it means. */
export function Part({
  part,
  children,
}: {
  readonly part: "remaining" | "frozen" | "gone";
  readonly children: ReactNode;
}) {
  return (
    <span className={styles["part"]}>
      <span data-part={part} aria-hidden />
      {children}
    </span>
  );
}
