import { NumberField, Row, TextField } from "./fields.tsx";
import type { ActForm } from "./use-act-form.ts";
import { useWords } from "./words.ts";

/** What is said of the lots that a recharge or an allowance makes. */
export function LotFields({ form }: { readonly form: ActForm }) {
  const say = useWords();
  return (
    <Row>
      <TextField
        form={form}
        field="category"
        label={say("category")}
        description={say("category-hint")}
      />
      <NumberField
        form={form}
        field="priority"
        label={say("priority")}
        description={say("priority-hint")}
      />
      <TextField
        form={form}
        field="services"
        label={say("services")}
        description={say("services-hint")}
      />
    </Row>
  );
}
