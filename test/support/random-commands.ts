import { createHash } from "node:crypto";
import fc from "fast-check";
import type { Command, Expiration, ExpireTarget } from "../../src/ledger/command.ts";

/** Commands that are decided together, and how many microseconds after the batch before. */
export type Step = { readonly laterBy: bigint; readonly commands: readonly Command[] };

/**
 * Random lives of a few accounts, in numbers so small that everything meets: lots run out, expire
 * in the very microsecond of a command, ids are used again for the same request and for others.
 */
export function randomSteps(maxSteps: number): fc.Arbitrary<readonly Step[]> {
  const turn = fc.record({
    command: randomCommand(),
    /** Instead of the command, the one so many before it once more: an honest repeat. */
    again: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined, freq: 5 }),
  });
  const step = fc.record({
    laterBy: fc.bigInt({ min: 0n, max: 4n }),
    turns: fc.array(turn, { minLength: 1, maxLength: 4 }),
  });
  return fc.array(step, { maxLength: maxSteps, size: "max" }).map((steps) => {
    const all: Command[] = [];
    return steps.map(({ laterBy, turns }) => ({
      laterBy,
      commands: turns.map(({ command, again }) => {
        const chosen = (again === undefined ? undefined : all.at(-again)) ?? command;
        all.push(chosen);
        return chosen;
      }),
    }));
  });
}

function randomCommand(): fc.Arbitrary<Command> {
  const points = fc.bigInt({ min: 1n, max: 9n });
  return fc.oneof(
    { weight: 1, arbitrary: named(fc.record({ kind: fc.constant("open" as const) })) },
    {
      weight: 4,
      arbitrary: named(
        fc.record({
          kind: fc.constant("recharge" as const),
          points,
          expiration: randomExpiration(),
          priority: fc.integer({ min: 0, max: 2 }),
        }),
      ),
    },
    { weight: 5, arbitrary: named(fc.record({ kind: fc.constant("consume" as const), points })) },
    {
      weight: 2,
      arbitrary: named(
        fc.record({ kind: fc.constant("expire" as const), target: randomTarget(points) }),
      ),
    },
  );
}

function randomExpiration(): fc.Arbitrary<Expiration> {
  return fc.oneof(
    fc.constant({ kind: "never" as const }),
    fc.record({ kind: fc.constant("after" as const), ttl: fc.bigInt({ min: 1n, max: 12n }) }),
    fc.record({ kind: fc.constant("at" as const), time: fc.bigInt({ min: 1n, max: 120n }) }),
  );
}

function randomTarget(points: fc.Arbitrary<bigint>): fc.Arbitrary<ExpireTarget> {
  return fc.oneof(
    fc.record({ kind: fc.constant("points" as const), points }),
    fc.record({ kind: fc.constant("lot" as const), lot: fc.bigInt({ min: 1n, max: 15n }) }),
    fc.constant({ kind: "due" as const }),
  );
}

/** Whose command it is, and under which request id, if any. */
function named<T extends { kind: string }>(content: fc.Arbitrary<T>): fc.Arbitrary<Command> {
  return fc
    .record({
      content,
      userId: fc.constantFrom("ada", "bob"),
      id: fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined, freq: 2 }),
    })
    .map(({ content: rest, userId, id }) => {
      if (rest.kind === "open") return { userId, ...rest } as unknown as Command;
      const text = JSON.stringify(rest, (_, value) =>
        typeof value === "bigint" ? `${value}n` : (value as unknown),
      );
      const fingerprint = createHash("sha256").update(text).digest();
      const request = id === undefined ? undefined : { id: `request-${id}`, fingerprint };
      return { userId, request, metadata: new Map(), ...rest } as unknown as Command;
    });
}
