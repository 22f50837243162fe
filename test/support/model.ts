import type { Command, Expiration } from "../../src/ledger/command.ts";

/** What the model says a command comes to; the kind and the allocations of its own entry. */
export type Expected =
  | { reason: string }
  | {
      kind: string | undefined;
      points: bigint;
      allocations: readonly { lot: bigint; points: bigint }[];
      account: ModelAccount;
      replayed: boolean;
      created: boolean;
    };

type ModelAccount = {
  sequence: bigint;
  balance: bigint;
  totalRecharged: bigint;
  totalConsumed: bigint;
  totalExpired: bigint;
};

type Line = { kind: string; points: bigint; from: { lot: bigint; points: bigint }[] };

type ModelLot = { number: bigint; priority: number; expireTime: bigint | null };

/**
 * The ledger written again, as naively as can be, to compare the real one with: a journal and
 * nothing else. Every figure is added up anew from the journal, points are burned one by one, and
 * nothing is shared with the code under test.
 */
export class Model {
  readonly #journals = new Map<string, Line[]>();
  readonly #lots = new Map<string, ModelLot[]>();
  readonly #answers = new Map<string, { print: string; expected: Expected }>();

  run(command: Command, now: bigint): Expected {
    const { userId } = command;
    const request = command.kind === "open" ? undefined : command.request;
    const key = `${userId} ${request?.id}`;
    const print = Buffer.from(request?.fingerprint ?? []).toString("hex");
    const first = this.#answers.get(key);
    if (request !== undefined && first !== undefined) {
      if (first.print !== print) return { reason: "REQUEST_ID_REUSED" };
      return { ...first.expected, replayed: true, created: false };
    }
    const expected = this.#decide(command, now);
    if (request !== undefined && !("reason" in expected)) {
      this.#answers.set(key, { print, expected });
    }
    return expected;
  }

  #decide(command: Command, now: bigint): Expected {
    const { userId } = command;
    const created = !this.#journals.has(userId);
    const makes = command.kind === "open" || command.kind === "recharge";
    if (created && !makes) return { reason: "ACCOUNT_NOT_FOUND" };

    const refusal = this.#refusal(command, now);
    if (refusal !== undefined) return { reason: refusal };

    if (created) {
      this.#journals.set(userId, []);
      this.#lots.set(userId, []);
    }
    const booked = this.#bookDue(userId, now);
    const line = this.#write(command, now);
    const own = command.kind === "expire" && command.target.kind === "due" ? booked : line;
    return {
      kind: own?.kind,
      points: own?.points ?? 0n,
      allocations: own?.from ?? [],
      account: this.#account(userId),
      replayed: false,
      created,
    };
  }

  #refusal(command: Command, now: bigint): string | undefined {
    const { userId } = command;
    const lots = this.#lots.get(userId) ?? [];
    const spendable = lots
      .filter((lot) => !past(lot, now))
      .reduce((sum, lot) => sum + this.#left(userId, lot.number), 0n);
    if (command.kind === "recharge") {
      const end = endOf(command.expiration, now);
      if (end !== null && end <= now) return "FIELD_INVALID";
      if (end !== null && end > 253_402_300_799_999_999n) return "FIELD_INVALID";
      const recharged = this.#sum(userId, "recharge");
      if (recharged + command.points > 9_007_199_254_740_991n) return "TOTAL_TOO_LARGE";
    }
    if (command.kind === "consume" && spendable < command.points) return "INSUFFICIENT_POINTS";
    if (command.kind === "expire" && command.target.kind === "points") {
      if (spendable < command.target.points) return "INSUFFICIENT_POINTS";
    }
    if (command.kind === "expire" && command.target.kind === "lot") {
      const { lot } = command.target;
      if (!lots.some(({ number }) => number === lot)) return "LOT_NOT_FOUND";
    }
    return undefined;
  }

  #bookDue(userId: string, now: bigint): Line | undefined {
    const due = this.#burnOrder(userId).filter((lot) => past(lot, now));
    const from = due
      .map(({ number }) => ({ lot: number, points: this.#left(userId, number) }))
      .filter(({ points }) => points > 0n);
    return from.length === 0 ? undefined : this.#append(userId, "expire", from);
  }

  #write(command: Command, now: bigint): Line | undefined {
    const { userId } = command;
    switch (command.kind) {
      case "open":
        return undefined;
      case "recharge": {
        const number = BigInt(this.#journals.get(userId)!.length + 1);
        const expireTime = endOf(command.expiration, now);
        this.#lots.get(userId)!.push({ number, priority: command.priority, expireTime });
        return this.#append(userId, "recharge", [{ lot: number, points: command.points }]);
      }
      case "consume":
        return this.#append(userId, "consume", this.#burn(userId, command.points));
      case "expire": {
        const { target } = command;
        if (target.kind === "due") return undefined;
        if (target.kind === "points") {
          return this.#append(userId, "expire", this.#burn(userId, target.points));
        }
        const points = this.#left(userId, target.lot);
        if (points === 0n) return undefined;
        return this.#append(userId, "expire", [{ lot: target.lot, points }]);
      }
    }
  }

  /** One point after the other, each from the lot that is first then. */
  #burn(userId: string, points: bigint): { lot: bigint; points: bigint }[] {
    const taken = new Map<bigint, bigint>();
    for (let left = points; left > 0n; left -= 1n) {
      const lot = this.#burnOrder(userId).find(
        ({ number }) => this.#left(userId, number) > (taken.get(number) ?? 0n),
      )!;
      taken.set(lot.number, (taken.get(lot.number) ?? 0n) + 1n);
    }
    return [...taken].map(([lot, count]) => ({ lot, points: count }));
  }

  #burnOrder(userId: string): ModelLot[] {
    const never = 1n << 80n;
    return [...this.#lots.get(userId)!].toSorted((a, b) => {
      const keyOf = (lot: ModelLot) => [BigInt(lot.priority), lot.expireTime ?? never, lot.number];
      const [left, right] = [keyOf(a), keyOf(b)];
      const index = left.findIndex((part, at) => part !== right[at]);
      return index === -1 ? 0 : left[index]! < right[index]! ? -1 : 1;
    });
  }

  #left(userId: string, lot: bigint): bigint {
    let left = 0n;
    for (const { kind, from } of this.#journals.get(userId) ?? []) {
      for (const part of from) {
        if (part.lot === lot) left += kind === "recharge" ? part.points : -part.points;
      }
    }
    return left;
  }

  #append(userId: string, kind: string, from: Line["from"]): Line {
    const line = { kind, from, points: from.reduce((sum, { points }) => sum + points, 0n) };
    this.#journals.get(userId)!.push(line);
    return line;
  }

  #sum(userId: string, kind: string): bigint {
    return (this.#journals.get(userId) ?? [])
      .filter((line) => line.kind === kind)
      .reduce((sum, { points }) => sum + points, 0n);
  }

  #account(userId: string): ModelAccount {
    const totalRecharged = this.#sum(userId, "recharge");
    const totalConsumed = this.#sum(userId, "consume");
    const totalExpired = this.#sum(userId, "expire");
    return {
      sequence: BigInt(this.#journals.get(userId)!.length),
      balance: totalRecharged - totalConsumed - totalExpired,
      totalRecharged,
      totalConsumed,
      totalExpired,
    };
  }
}

function past(lot: ModelLot, now: bigint): boolean {
  return lot.expireTime !== null && now >= lot.expireTime;
}

function endOf(expiration: Expiration, now: bigint): bigint | null {
  if (expiration.kind === "never") return null;
  return expiration.kind === "at" ? expiration.time : now + expiration.ttl;
}
