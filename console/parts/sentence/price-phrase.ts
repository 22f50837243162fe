import type { Duration } from "@bufbuild/protobuf/wkt";
import type { MeteredPoints, PricedUsage } from "../../../gen/points/v1/prices_pb.ts";
import { isolated } from "../../app/isolated.ts";
import { join, type Phrase } from "./phrase.ts";
import { say, type Voice } from "./voice.ts";

/** What was used and how its points came about: "tts, 37 s at 1 a second by list 2026-11-23". */
export function usagePhrase(voice: Voice, usage: PricedUsage, points: bigint): Phrase {
  const { service, priceVersion } = usage;
  const what = say(voice, "service", { service, how: howPhrase(voice, usage, points) });
  return priceVersion === "" ? what : say(voice, "byList", { what, version: priceVersion });
}

function howPhrase(voice: Voice, usage: PricedUsage, points: bigint): Phrase {
  const { calculation } = usage;
  if (calculation === undefined) {
    const amount = amountPhrase(voice, usage);
    if (amount.length > 0)
      return say(voice, points === 0n ? "freeAmount" : "fixedAmount", { amount });
    return say(voice, points === 0n ? "free" : "fixedPrice");
  }
  const { when, fixed, meters, factor, minimum, maximum } = calculation;
  const sum = join(
    [
      fixed > 0n ? say(voice, "fixed", { n: fixed }) : [],
      ...meters.map((meter) => meterPhrase(voice, meter, usage)),
    ],
    voice.words.plus,
  );
  const attributes = Object.entries(when)
    .map(([name, value]) => `${isolated(name)} ${isolated(value)}`)
    .join(voice.words.and);
  return join(
    [
      sum,
      factor === "" ? [] : say(voice, "factor", { factor }),
      attributes === "" ? [] : say(voice, "when", { attributes }),
      minimum > 0n ? say(voice, "minimum", { n: minimum }) : [],
      maximum > 0n ? say(voice, "maximum", { n: maximum }) : [],
    ],
    voice.words.comma,
  );
}

function amountPhrase(voice: Voice, { amount }: PricedUsage): Phrase {
  if (amount.case === "quantity") return [voice.formats.points(amount.value)];
  return amount.case === "duration" ? [lengthText(voice, amount.value)] : [];
}

function meterPhrase(voice: Voice, meter: MeteredPoints, usage: PricedUsage): Phrase {
  const { of, points, per, unit } = meter;
  if (of === "duration" && unit !== undefined)
    return durationPhrase(voice, { ...meter, unit }, usage);
  const number = voice.formats.points(meter.amount);
  const amount = of === "quantity" ? number : say(voice, "named", { amount: number, of });
  return per <= 1n
    ? say(voice, "each", { amount, points })
    : say(voice, "per", { amount, points, per });
}

function durationPhrase(
  voice: Voice,
  { amount, points, unit }: { amount: bigint; points: bigint; unit: Duration },
  usage: PricedUsage,
): Phrase {
  const used = usage.amount.case === "duration" ? usage.amount.value : undefined;
  const length = lengthText(voice, unit);
  const duration = used === undefined ? "" : lengthText(voice, used);
  if (used !== undefined && nanosOf(used) === amount * nanosOf(unit)) {
    return say(voice, "perUnit", { duration, points, unit: perUnit(voice, unit) });
  }
  return say(voice, "started", { duration, amount, length, points });
}

function perUnit(voice: Voice, unit: Duration): Phrase {
  const key = ({ 1: "aSecond", 60: "aMinute", 3600: "anHour" } as const)[Number(unit.seconds)];
  if (key !== undefined && unit.nanos === 0) return say(voice, key);
  return say(voice, "aLength", { length: lengthText(voice, unit) });
}

/** "37 s", "36.4 s" */
export function lengthText(voice: Voice, length: Duration): string {
  const decimals = String(length.nanos).padStart(9, "0").replace(/0+$/, "");
  const whole = voice.formats.points(length.seconds);
  const n = decimals === "" ? whole : `${whole}.${decimals}`;
  return voice.words.seconds.replace("{{n}}", () => n);
}

function nanosOf({ seconds, nanos }: Duration): bigint {
  return seconds * 1_000_000_000n + BigInt(nanos);
}
