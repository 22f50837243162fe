import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { OperationSchema } from "../../../gen/points/v1/points_pb.ts";
import { SCOPES } from "../../../src/auth/caller.ts";
import type { Micros } from "../../../src/ledger/time.ts";
import type { PriceLists } from "../../../src/ledger/prices.ts";
import { toCommand } from "../../../src/rpc/commands.ts";
import { readPrices, SHIPPED_PRICES } from "../../../src/rpc/price-file.ts";
import type { Orm } from "../../../src/store/driver/orm.ts";
import { commitAll } from "../../support/commit-all.ts";
import { stoppedClock } from "../../support/stopped-clock.ts";

/** What happens at an instant: an operation of a caller, as the server would get it. */
export type Scene = {
  /** "-12 09:30", so many days before the story's day, by UTC; or "-25m", minutes before its now. */
  readonly when: string;
  /** The caller's name. */
  readonly by: string;
  /** What they ask for; what names an entry gets it by the request id that made it. */
  readonly asks: Asked | ((numberOf: (requestId: string) => bigint) => Asked);
};

type Asked = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;

/**
 * Writes scenes into a ledger through the store, each at its own instant. Those of one instant are
 * one batch, and must not be about one another.
 *
 * @param nowMs the story's now
 * @throws if one of them is refused
 */
export async function tell(
  orm: Orm,
  scenes: readonly Scene[],
  { nowMs, lists = readPrices(SHIPPED_PRICES).lists }: { nowMs: number; lists?: PriceLists },
): Promise<void> {
  const numbers = new Map<string, bigint>();
  const numberOf = (requestId: string) => numbers.get(requestId)!;
  const inOrder = Map.groupBy(scenes, ({ when }) => instantOf(when, nowMs));
  for (const [now, together] of [...inOrder].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
    const asked = together.map(({ by, asks }) => ({
      by,
      operation: create(OperationSchema, {
        operation: typeof asks === "function" ? asks(numberOf) : asks,
      }).operation,
    }));
    const commands = asked.map(({ by: name, operation }) => {
      if (operation.case === undefined) throw new Error("a scene asks for nothing");
      const caller = { name, scopes: SCOPES, userIdPrefix: "", maxPoints: undefined };
      return toCommand(operation, { prices: () => ({ lists }) }, caller);
    });
    const results = await commitAll(orm, commands, { clock: stoppedClock(now) });
    for (const [at, result] of results.entries()) {
      const { operation } = asked[at]!;
      if (!("replayed" in result)) throw new Error(tellingOf(together[at]!, result));
      if (result.entry === undefined) continue;
      numbers.set(operation.value!.requestId, result.entry.sequence);
    }
  }
}

const DAY_MS = 86_400_000;

/** The instant of a scene, in microseconds. */
function instantOf(when: string, nowMs: number): Micros {
  const minutes = /^-(\d+)m$/.exec(when);
  if (minutes !== null) return BigInt(nowMs - Number(minutes[1]) * 60_000) * 1_000n;
  const parts = /^-(\d+) (\d\d):(\d\d)$/.exec(when);
  if (parts === null) throw new Error(`when is ${when}?`);
  const [days, hours, more] = parts.slice(1).map(Number) as [number, number, number];
  const midnightMs = Math.floor(nowMs / DAY_MS - days) * DAY_MS;
  return BigInt(midnightMs + (hours * 60 + more) * 60_000) * 1_000n;
}

function tellingOf(scene: Scene, result: unknown): string {
  const shown = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}n` : value);
  return JSON.stringify([scene.when, scene.asks, result], shown);
}
