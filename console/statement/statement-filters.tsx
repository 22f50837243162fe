import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { FormEvent } from "react";
import { EntryKindSchema } from "../../gen/points/v1/account_pb.ts";
import { useKindNames } from "../parts/kinds.ts";
import { KINDS, kindsOf, unknownKinds } from "./filters.ts";
import styles from "./statement.module.css";
import { useWords } from "./words.ts";

/** What the statement is to show, kept in its address. */
export function StatementFilters() {
  const say = useWords();
  const { user, ...filters } = useSearch({ from: "/statement" });
  const navigate = useNavigate({ from: "/statement" });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const said = NAMES.map((name) => [name, (form.get(name) as string).trim()]);
    void navigate({ search: { user, ...Object.fromEntries(said) } });
  };
  const text = (name: "service" | "member" | "actor") => (
    <TextInput
      name={name}
      label={say(name)}
      size="xs"
      defaultValue={filters[name]}
      maxLength={128}
    />
  );
  const day = (name: "from" | "to") => (
    <TextInput type="date" name={name} label={say(name)} size="xs" defaultValue={filters[name]} />
  );
  return (
    // What is typed goes with the address that it was typed for.
    <form
      key={JSON.stringify(filters)}
      aria-label={say("filters")}
      className={styles["filters"]}
      onSubmit={submit}
    >
      <KindSelect chosen={filters.kind ?? ""} />
      {day("from")}
      {day("to")}
      {text("service")}
      {text("member")}
      {text("actor")}
      <div className={styles["buttons"]}>
        <Button type="submit" size="xs">
          {say("apply")}
        </Button>
        {Object.keys(filters).length > 0 && (
          <Button variant="default" size="xs" onClick={() => void navigate({ search: { user } })}>
            {say("clear")}
          </Button>
        )}
      </div>
    </form>
  );
}

const NAMES = ["kind", "from", "to", "service", "member", "actor"] as const;

/** One kind, or the several that the address has. */
function KindSelect({ chosen }: { readonly chosen: string }) {
  const say = useWords();
  const nameOf = useKindNames();
  const kinds = kindsOf(chosen);
  const value = kinds.map((kind) => EntryKindSchema.value[kind]!.localName).join(",");
  const unknown = unknownKinds(chosen);
  const several = { value, label: kinds.map(nameOf).join(", ") };
  return (
    <NativeSelect
      name="kind"
      label={say("kind")}
      size="xs"
      defaultValue={value}
      error={unknown.length > 0 && say("unknownKind", { kinds: unknown.join(", ") })}
      data={[
        { value: "", label: say("allKinds") },
        ...(kinds.length > 1 ? [several] : []),
        ...KINDS.map(({ name, kind }) => ({ value: name, label: nameOf(kind) })),
      ]}
    />
  );
}
