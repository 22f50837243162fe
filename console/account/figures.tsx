import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Text, Title } from "@mantine/core";
import type { Account, NextExpiration } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { equationOf, type Side } from "./equation.ts";
import styles from "./figures.module.css";
import { Instant } from "../parts/instant.tsx";
import { Section } from "../parts/section.tsx";
import { useDistances } from "./use-distance.ts";
import { useWords } from "./words.ts";

/** What the account has, what of it expires next, and that all of it adds up. */
export function Figures({
  account,
  next,
  nowMs,
}: {
  readonly account: Account;
  readonly next: NextExpiration | undefined;
  readonly nowMs: number;
}) {
  const say = useWords();
  const { points } = useFormats();
  const big = (name: "balance" | "frozen" | "debt") => (
    <div className={styles["big"]} data-figure={name} data-none={account[name] === 0n || undefined}>
      <dt>{say(name)}</dt>
      <dd>
        <span className={styles["number"]}>{points(account[name])}</span>
        <Text span size="sm" c="dimmed">
          {say(`${name}Hint`)}
        </Text>
      </dd>
    </div>
  );
  return (
    <Section title={say("figures")}>
      <dl className={styles["figures"]}>
        {big("balance")}
        {big("frozen")}
        {big("debt")}
      </dl>
      <NextToExpire balance={account.balance} next={next} nowMs={nowMs} />
      <Equation account={account} />
    </Section>
  );
}

function NextToExpire({
  balance,
  next,
  nowMs,
}: {
  readonly balance: bigint;
  readonly next: NextExpiration | undefined;
  readonly nowMs: number;
}) {
  const say = useWords();
  const formats = useFormats();
  const { until } = useDistances();
  // Of nothing, nothing need be said.
  if (next?.time === undefined && balance === 0n) return null;
  if (next?.time === undefined) return <Text>{say("expiresNever")}</Text>;
  const distance = until(timestampMs(next.time) - nowMs);
  const count = Number(next.points);
  const points = formats.points(next.points);
  return (
    <Text fw={500}>
      <Instant
        time={next.time}
        say={(time) =>
          distance === undefined
            ? say("expiresNext", { count, points, time })
            : say("expiresNextIn", { count, points, time, distance })
        }
      />
    </Text>
  );
}

function Equation({ account }: { readonly account: Account }) {
  const say = useWords();
  const { points } = useFormats();
  const { places, sources } = equationOf(account);
  return (
    <div className={styles["equation"]} role="group" aria-label={say("equation")}>
      <SideOf title={say("sources")} side={sources} />
      <div className={styles["equals"]} aria-hidden>
        =
      </div>
      <SideOf title={say("places")} side={places} />
      {places.sum === sources.sum && (
        <Text size="sm" c="dimmed" className={styles["equal"]}>
          {say("equal", { points: points(places.sum) })}
        </Text>
      )}
    </div>
  );
}

function SideOf({ title, side }: { readonly title: string; readonly side: Side }) {
  const say = useWords();
  const { points } = useFormats();
  return (
    <div className={styles["side"]}>
      <Title order={3} size="sm">
        {title}
      </Title>
      <dl>
        {side.figures.map((figure, at) => (
          <div key={figure.name}>
            <dt>
              <span className={styles["sign"]} aria-hidden>
                {at > 0 && "+"}
              </span>
              {say(figure.name)}
            </dt>
            <dd>{points(figure.points)}</dd>
          </div>
        ))}
        <div className={styles["sum"]}>
          <dt>
            <span className={styles["sign"]} aria-hidden />
            {say("sum")}
          </dt>
          <dd>{points(side.sum)}</dd>
        </div>
      </dl>
    </div>
  );
}
