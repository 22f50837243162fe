import { useMemo } from "react";
import { spaced } from "../app/formats.ts";
import { useLanguage } from "../app/words.ts";
import { type Distance, distanceOf } from "./distance.ts";

/** How far off something is, in words of the language of the page. */
export type Distances = {
  /** "in 3 days"; undefined for what is past or less than a minute off. */
  readonly until: (ms: number) => string | undefined;
  /** "3 days" */
  readonly length: (distance: Distance) => string;
};

export function useDistances(): Distances {
  const { language } = useLanguage();
  return useMemo(() => distancesOf(language), [language]);
}

function distancesOf(language: string): Distances {
  const relative = new Intl.RelativeTimeFormat(language);
  return {
    until(ms) {
      const distance = distanceOf(ms);
      return distance && spaced(relative.format(distance.count, distance.unit));
    },
    length: ({ count, unit }) =>
      spaced(
        new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count),
      ),
  };
}
