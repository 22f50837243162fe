// Builders of parts of requests, short enough for tables of test cases.

/** Points as a cost, or as the target of Expire. */
export function points(value: bigint) {
  return { case: "points", value } as const;
}

/** A usage of a service as a cost. */
export function use<T extends { readonly service: string }>(value: T) {
  return { case: "usage", value } as const;
}

/** A usage of this quantity. */
export function quantity(service: string, value: bigint) {
  return { service, amount: { case: "quantity", value } } as const;
}

/** A usage of this duration. */
export function duration(service: string, seconds: bigint, nanos = 0) {
  return { service, amount: { case: "duration", value: { seconds, nanos } } } as const;
}

/** An entry by its number. */
export function bySequence(value: bigint) {
  return { case: "sequence", value } as const;
}

/** A ttl in milliseconds. */
export function ttl(milliseconds: number) {
  const seconds = BigInt(Math.floor(milliseconds / 1000));
  return { case: "ttl", value: { seconds, nanos: (milliseconds % 1000) * 1_000_000 } } as const;
}

/** A policy that lets an account owe so many points. */
export function creditLine(value: bigint, name = "credit") {
  return { name, rule: { case: "creditLine", value: { points: value } } } as const;
}

/** A policy that names itself when fewer points are left. */
export function alertBelow(below: bigint, name = "low") {
  return { name, rule: { case: "alert", value: { below } } } as const;
}

/** Microseconds since 1970. */
export function microsOf({ seconds, nanos }: { seconds: bigint; nanos: number }): bigint {
  return seconds * 1_000_000n + BigInt(nanos / 1000);
}
