import { NativeSelect, TextInput, type TextInputProps } from "@mantine/core";
import type { ReactNode } from "react";
import { useFormats } from "../app/formats.ts";
import styles from "./act.module.css";
import type { ActForm } from "./use-act-form.ts";
import type { Field } from "./values.ts";
import { useWords } from "./words.ts";

type Say = ReturnType<typeof useWords>;

/** One line of text of a form, with what is wrong with it beneath. */
export function TextField({
  form,
  field,
  label,
  ...rest
}: {
  readonly form: ActForm;
  readonly field: Field;
  readonly label: string;
} & Omit<TextInputProps, "form">) {
  const error = useFault(form, field);
  return (
    <TextInput
      label={label}
      name={field}
      autoComplete="off"
      // Fields beside each other are in line, whether or not they have a hint.
      inputWrapperOrder={["label", "input", "description", "error"]}
      value={form.values[field]}
      error={error}
      onChange={(event) => form.change(field, event.currentTarget.value)}
      {...rest}
    />
  );
}

/** A whole number. */
export function NumberField(props: Parameters<typeof TextField>[0]) {
  return <TextField inputMode="numeric" classNames={{ input: styles["number"]! }} {...props} />;
}

/** An instant, in the browser's time zone. */
export function TimeField(props: Parameters<typeof TextField>[0]) {
  return <TextField type="datetime-local" step={1} {...props} />;
}

/** One of several, each by its value and its word. */
export function ChoiceField({
  form,
  field,
  label,
  choices,
  description,
}: {
  readonly form: ActForm;
  readonly field: Field;
  readonly label: string;
  readonly choices: readonly (readonly [value: string, word: string])[];
  readonly description?: string | undefined;
}) {
  return (
    <NativeSelect
      label={label}
      name={field}
      inputWrapperOrder={["label", "input", "description", "error"]}
      description={description}
      value={form.values[field]}
      data={choices.map(([value, word]) => ({ value, label: word }))}
      onChange={(event) => form.change(field, event.currentTarget.value)}
    />
  );
}

/** Fields beside each other, where there is room. */
export function Row({ children }: { readonly children: ReactNode }) {
  return <div className={styles["row"]}>{children}</div>;
}

function useFault(form: ActForm, field: Field): string | undefined {
  const say: Say = useWords();
  const { points } = useFormats();
  const fault = form.faultOf(field);
  if (fault === undefined) return undefined;
  if (fault.word === "server") return say("fault-server", { text: fault.text });
  const { word, bound = 0n } = fault;
  return say(`fault-${word}`, { bound: points(bound) });
}
