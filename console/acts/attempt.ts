import { refusalOf } from "../../src/client/refusal.ts";
import type { Answer, Mutation } from "./mutation.ts";

/** How far a form has come. What is done is what was previewed: a change takes the preview away. */
export type Attempt =
  /** `asked`: its preview is on its way. */
  | { readonly step: "editing"; readonly asked?: Mutation; readonly error?: unknown }
  | ({ readonly step: "previewed"; readonly isSent: boolean; readonly error?: unknown } & Preview)
  /** It was sent, and nobody knows whether it was done. It can only be sent again, as it is. */
  | ({ readonly step: "unknown"; readonly isSent: boolean; readonly error: unknown } & Preview)
  | ({ readonly step: "done"; readonly shown: Answer } & Preview);

export type Preview = {
  readonly mutation: Mutation;
  readonly answer: Answer;
};

export type Happening =
  | { readonly is: "changed" }
  | { readonly is: "asked"; readonly mutation: Mutation }
  | ({ readonly is: "shown" } & Preview)
  | { readonly is: "notShown"; readonly mutation: Mutation; readonly error: unknown }
  | { readonly is: "sent" }
  /** It was not sent after all. */
  | { readonly is: "stopped"; readonly error: unknown }
  | { readonly is: "answered"; readonly answer: Answer }
  | { readonly is: "failed"; readonly error: unknown };

export const NEW_ATTEMPT: Attempt = { step: "editing" };

export function nextAttempt(attempt: Attempt, happening: Happening): Attempt {
  switch (happening.is) {
    case "changed":
      return isUnderWay(attempt) || attempt.step === "done" ? attempt : NEW_ATTEMPT;
    case "asked":
      return { step: "editing", asked: happening.mutation };
    case "shown": {
      // An answer to what the form said before a change is of no use.
      if (attempt.step !== "editing" || attempt.asked !== happening.mutation) return attempt;
      const { mutation, answer } = happening;
      return { step: "previewed", isSent: false, mutation, answer };
    }
    case "notShown":
      if (attempt.step !== "editing" || attempt.asked !== happening.mutation) return attempt;
      return { step: "editing", error: happening.error };
    case "sent":
      if (attempt.step !== "previewed" && attempt.step !== "unknown") return attempt;
      return { ...attempt, isSent: true };
    case "answered": {
      if (attempt.step !== "previewed" && attempt.step !== "unknown") return attempt;
      const { mutation, answer: shown } = attempt;
      return { step: "done", mutation, shown, answer: happening.answer };
    }
    case "stopped":
      return attempt.step === "previewed" ? { step: "editing", error: happening.error } : attempt;
    case "failed":
      return afterFailure(attempt, happening.error);
  }
}

/** Whether leaving the page would lose what became of a request that was sent. */
export function isUnderWay(attempt: Attempt): boolean {
  return attempt.step === "unknown" || (attempt.step === "previewed" && attempt.isSent);
}

/**
 * All tries of a request id share one outcome: once it is unknown it stays so, until a server that
 * has looked for an earlier answer refuses it.
 */
function afterFailure(attempt: Attempt, error: unknown): Attempt {
  if (attempt.step !== "previewed" && attempt.step !== "unknown") return attempt;
  const refusal = refusalOf(error);
  const isNotDone = refusal?.outcome === "NOT_APPLIED";
  if (isNotDone && refusal.repeatsChecked) return { step: "editing", error };
  const { mutation, answer } = attempt;
  const preview = { isSent: false, mutation, answer, error };
  if (attempt.step === "previewed" && isNotDone) return { step: "previewed", ...preview };
  return { step: "unknown", ...preview };
}
