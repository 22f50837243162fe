import { Stack } from "@mantine/core";
import { useFormats } from "../app/formats.ts";
import { useSession } from "../app/session.tsx";
import { Facts } from "../parts/facts.tsx";
import { ExpiredLotsNote } from "./expired-lots-note.tsx";
import { ChoiceField, NumberField, Row, TextField, TimeField } from "./fields.tsx";
import { lotToRevoke } from "./lot-to-revoke.ts";
import { LotFields } from "./lot-fields.tsx";
import { PolicyFields } from "./policy-fields.tsx";
import { leftToRefund } from "../parts/refundable.ts";
import type { ActForm } from "./use-act-form.ts";
import { useWords } from "./words.ts";

/** The fields of an act, and those that all acts have: who asks, why, and by which ticket. */
export function ActFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  const { person } = useSession();
  return (
    <Stack gap="sm">
      <OwnFields form={form} />
      <TextField form={form} field="reason" label={say("reason")} required />
      <Row>
        {person === undefined && (
          <TextField form={form} field="actor" label={say("actor")} required />
        )}
        <TextField form={form} field="ticket" label={say("ticket")} />
      </Row>
      {person !== undefined && <Facts rows={[[say("askedBy"), person]]} />}
    </Stack>
  );
}

function OwnFields({ form }: { readonly form: ActForm }) {
  switch (form.act) {
    case "refund":
      return <RefundFields form={form} />;
    case "recharge":
      return <RechargeFields form={form} />;
    case "revoke":
      return <RevokeFields form={form} />;
    case "expire":
      return <ExpireFields form={form} />;
    case "policy":
      return <PolicyFields form={form} />;
    case "release":
    case "delete-policy":
      return null;
  }
}

/** @param empty what is moved if the field is empty; undefined: it has to be filled in */
function PointsField({
  form,
  empty,
}: {
  readonly form: ActForm;
  readonly empty?: string | undefined;
}) {
  const say = useWords();
  const { points } = useFormats();
  const { maxPoints = 0n } = useSession().ledger.caller ?? {};
  const bound = maxPoints > 0n && say("maxPoints", { points: points(maxPoints) });
  const hints = [empty, bound].filter((hint) => typeof hint === "string");
  return (
    <NumberField
      form={form}
      field="points"
      label={say("points")}
      required={empty === undefined}
      description={hints.length > 0 ? hints.join(" ") : undefined}
    />
  );
}

function RefundFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  const { points } = useFormats();
  const { about } = form.subject;
  return (
    <>
      <PointsField
        form={form}
        empty={say("all", { points: points(about ? leftToRefund(about) : 0n) })}
      />
      <Row>
        <ChoiceField
          form={form}
          field="reissue"
          label={say("reissue")}
          choices={[
            ["", say("reissue-expire")],
            ["reissue", say("reissue-reissue")],
          ]}
        />
        {form.values.reissue === "reissue" && (
          <NumberField form={form} field="days" label={say("days")} required />
        )}
      </Row>
      {about?.entry && form.values.reissue === "" && <ExpiredLotsNote entry={about.entry} />}
    </>
  );
}

function RechargeFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  const { expires } = form.values;
  return (
    <>
      <PointsField form={form} />
      <Row>
        <ChoiceField
          form={form}
          field="expires"
          label={say("expires")}
          choices={[
            ["days", say("expires-days")],
            ["at", say("expires-at")],
            ["never", say("expires-never")],
          ]}
        />
        {expires === "days" && (
          <NumberField form={form} field="days" label={say("days")} required />
        )}
        {expires === "at" && (
          <TimeField form={form} field="expireTime" label={say("expireTime")} required />
        )}
      </Row>
      <LotFields form={form} />
    </>
  );
}

function RevokeFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  const { points } = useFormats();
  const { about } = form.subject;
  const lot = lotToRevoke(form.subject);
  const isLacking = lot !== undefined && lot.there < lot.left;
  return (
    <>
      <PointsField
        form={form}
        empty={lot && say("all-lot", { points: points(lot.left), there: points(lot.there) })}
      />
      <ChoiceField
        form={form}
        field="shortfall"
        label={say("shortfall")}
        choices={[
          // Where some are lacking, what is to become of these is for a person to say.
          ...(isLacking ? [["", say("shortfall-choose")] as const] : []),
          [isLacking ? "refuse" : "", say("shortfall-refuse")],
          ["take", say(about ? "shortfall-take-lot" : "shortfall-take")],
          ["owe", say("shortfall-owe")],
        ]}
      />
    </>
  );
}

function ExpireFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  if (form.subject.about) return null;
  return (
    <>
      <ChoiceField
        form={form}
        field="target"
        label={say("target")}
        description={form.values.target === "due" ? say("target-hint") : undefined}
        choices={[
          ["", say("target-points")],
          ["due", say("target-due")],
        ]}
      />
      {form.values.target !== "due" && <PointsField form={form} />}
    </>
  );
}
