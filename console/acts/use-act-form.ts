import { useEffect, useReducer, useState } from "react";
import { refusalOf } from "../../src/client/refusal.ts";
import { askAgain } from "../app/queries.ts";
import { useSession } from "../app/session.tsx";
import type { Act } from "../parts/acts.ts";
import { type Attempt, NEW_ATTEMPT, nextAttempt } from "./attempt.ts";
import { serverFaults } from "./server-faults.ts";
import { firstValues } from "./first-values.ts";
import { mutationOf } from "./mutation.ts";
import { rememberActor, rememberedActor } from "./remembered-actor.ts";
import { newRequestId } from "./request-id.ts";
import { ensureSamePolicy } from "./same-policy.ts";
import { preview, send } from "./send.ts";
import type { Subject } from "./subject.ts";
import type { Fault, Faults, Field, Values } from "./values.ts";

/** A form: what is typed into it, what is wrong with that, and how far it has come. */
export type ActForm = {
  readonly act: Act;
  readonly user: string;
  readonly subject: Subject;
  readonly values: Values;
  readonly attempt: Attempt;
  readonly faultOf: (field: Field) => Fault | undefined;
  readonly change: (field: Field, text: string) => void;
  /** Asks what would be done. */
  readonly ask: () => void;
  /** Does what was previewed. Harmless if called again: each try has the form's request id. */
  readonly perform: () => void;
  /** How often faults were found. */
  readonly timesFaulty: number;
};

export function useActForm(user: string, act: Act, subject: Subject): ActForm {
  const { person } = useSession();
  const [requestId] = useState(newRequestId);
  const [values, setValues] = useState(() =>
    firstValues(act, { actor: rememberedActor(), zone: browserZone(), changed: subject.policy }),
  );
  const [faults, setFaults] = useState<Faults>({});
  const [timesFaulty, setTimesFaulty] = useState(0);
  const [attempt, happened] = useReducer(nextAttempt, NEW_ATTEMPT);

  const found = (wrong: Faults) => {
    setFaults(wrong);
    if (Object.keys(wrong).length > 0) setTimesFaulty((times) => times + 1);
  };

  // What one person was shown is not done as another.
  useEffect(() => happened({ is: "changed" }), [person]);

  const change = (field: Field, text: string) => {
    setValues((before) => ({ ...before, [field]: text }));
    setFaults(({ [field]: _mended, ...others }) => others);
    happened({ is: "changed" });
  };

  const ask = async () => {
    const said = person === undefined ? values : { ...values, actor: person };
    const made = mutationOf({ act, user, requestId, ...subject }, said);
    if ("faults" in made) {
      found(made.faults);
      return;
    }
    const { mutation } = made;
    rememberActor(values.actor);
    happened({ is: "asked", mutation });
    try {
      const answer = await preview(mutation, subject.about?.entry);
      // After it: what changed before the preview is found, too.
      await ensureSamePolicy(mutation, subject.policy);
      happened({ is: "shown", mutation, answer });
    } catch (error) {
      found(serverFaults(refusalOf(error)));
      happened({ is: "notShown", mutation, error });
    }
  };

  const perform = async () => {
    if ((attempt.step !== "previewed" && attempt.step !== "unknown") || attempt.isSent) return;
    happened({ is: "sent" });
    try {
      // What may have been done already has changed the policy itself.
      if (attempt.step === "previewed") await ensureSamePolicy(attempt.mutation, subject.policy);
    } catch (error) {
      happened({ is: "stopped", error });
      return;
    }
    try {
      happened({ is: "answered", answer: await send(attempt.mutation) });
      askAgain();
    } catch (error) {
      found(serverFaults(refusalOf(error)));
      happened({ is: "failed", error });
    }
  };

  return {
    act,
    user,
    subject,
    values,
    attempt,
    timesFaulty,
    change,
    faultOf: (field) => faults[field],
    ask: () => void ask(),
    perform: () => void perform(),
  };
}

function browserZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
