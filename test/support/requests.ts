// Parts of requests, as short as a table of them needs them.

/** A cost, or what Expire takes: so many points. */
export function points(value: bigint) {
  return { case: "points", value } as const;
}

/** A cost: what a use of a service costs. */
export function use<T extends { readonly service: string }>(value: T) {
  return { case: "usage", value } as const;
}

/** A use of so many pieces. */
export function quantity(service: string, value: bigint) {
  return { service, amount: { case: "quantity", value } } as const;
}

/** A use of so long. */
export function duration(service: string, seconds: bigint, nanos = 0) {
  return { service, amount: { case: "duration", value: { seconds, nanos } } } as const;
}

/** A life of so many milliseconds. */
export function ttl(milliseconds: number) {
  const seconds = BigInt(Math.floor(milliseconds / 1000));
  return { case: "ttl", value: { seconds, nanos: (milliseconds % 1000) * 1_000_000 } } as const;
}

/** Microseconds since 1970. */
export function microsOf({ seconds, nanos }: { seconds: bigint; nanos: number }): bigint {
  return seconds * 1_000_000n + BigInt(nanos / 1000);
}
