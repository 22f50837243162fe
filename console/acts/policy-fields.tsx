import type { ReactNode } from "react";
import { UNITS, type UnitName } from "../parts/calendar-units.ts";
import { ChoiceField, NumberField, Row, TextField, TimeField } from "./fields.tsx";
import { LotFields } from "./lot-fields.tsx";
import { RULE_NAMES, type RuleName, ruleNamed } from "./policy-rule.ts";
import type { ActForm } from "./use-act-form.ts";
import { useWords } from "./words.ts";

/** The fields of a policy. Name and kind of one that is there stay as they are. */
export function PolicyFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  const RuleFields = FIELDS[ruleNamed(form.values.rule)];
  const words = RULE_NAMES.map((rule) => [rule, say(`rule-${rule}`)] as const);
  return (
    <>
      {form.subject.policy === undefined && (
        <Row>
          <ChoiceField form={form} field="rule" label={say("rule")} choices={words} />
          <TextField form={form} field="name" label={say("name")} required />
        </Row>
      )}
      <RuleFields form={form} />
    </>
  );
}

const FIELDS: Readonly<Record<RuleName, (props: { readonly form: ActForm }) => ReactNode>> = {
  allowance: AllowanceFields,
  limit: LimitFields,
  alert: AlertFields,
  creditLine: CreditFields,
};

function AlertFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  return (
    <NumberField
      form={form}
      field="points"
      label={say("below")}
      description={say("below-hint")}
      required
    />
  );
}

function CreditFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  return <NumberField form={form} field="points" label={say("credit")} required />;
}

function AllowanceFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  return (
    <>
      <Row>
        <NumberField form={form} field="points" label={say("points")} required />
        <NumberField form={form} field="count" label={say("count")} />
        <UnitField form={form} field="unit" label={say("unit")} />
      </Row>
      <Row>
        <TimeField
          form={form}
          field="startTime"
          label={say("startTime")}
          description={say("startTime-hint")}
        />
        <TimeField
          form={form}
          field="endTime"
          label={say("endTime")}
          description={say("endTime-hint")}
        />
      </Row>
      <LifeFields form={form} />
      <LotFields form={form} />
    </>
  );
}

function LifeFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  const { expires } = form.values;
  return (
    <Row>
      <ZoneField form={form} />
      <ChoiceField
        form={form}
        field="expires"
        label={say("life")}
        choices={[
          ["periods", say("life-periods")],
          ["days", say("expires-days")],
          ["never", say("expires-never")],
        ]}
      />
      {expires === "periods" && <NumberField form={form} field="periods" label={say("periods")} />}
      {expires === "days" && <NumberField form={form} field="days" label={say("days")} required />}
    </Row>
  );
}

function LimitFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  const { window, whose } = form.values;
  return (
    <>
      <Row>
        <NumberField
          form={form}
          field="points"
          label={say("limit")}
          description={say("limit-hint")}
          required
        />
        <UnitField form={form} field="window" label={say("window")} hasTotal />
        {window !== "total" && <ZoneField form={form} />}
      </Row>
      <Row>
        <ChoiceField
          form={form}
          field="whose"
          label={say("whose")}
          choices={[
            ["all", say("whose-all")],
            ["each", say("whose-each")],
            ["member", say("whose-member")],
          ]}
        />
        {whose === "member" && (
          <TextField form={form} field="member" label={say("member")} required />
        )}
        <TextField
          form={form}
          field="service"
          label={say("service")}
          description={say("service-hint")}
        />
      </Row>
    </>
  );
}

function UnitField({
  form,
  field,
  label,
  hasTotal = false,
}: {
  readonly form: ActForm;
  readonly field: "unit" | "window";
  readonly label: string;
  readonly hasTotal?: boolean;
}) {
  const say = useWords();
  const units = (Object.keys(UNITS) as UnitName[]).map(
    (unit) => [unit, say(`unit-${unit}`)] as const,
  );
  const choices = hasTotal ? [...units, ["total", say("unit-total")] as const] : units;
  return <ChoiceField form={form} field={field} label={label} choices={choices} />;
}

function ZoneField({ form }: { readonly form: ActForm }) {
  const say = useWords();
  return (
    <TextField
      form={form}
      field="timeZone"
      label={say("timeZone")}
      description={say("timeZone-hint")}
    />
  );
}
