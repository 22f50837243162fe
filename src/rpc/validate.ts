import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { invalidFields } from "../errors/api-error.ts";
import { type Violation, excessIn } from "./counts.ts";

// The contract's patterns mean the same in JavaScript's RegExp as in RE2. protovalidate's own RE2,
// in JavaScript, costs ten times as much.
const patterns = new Map<string, RegExp>();
const validator = createValidator({
  regexMatch(pattern, text) {
    const known = patterns.get(pattern) ?? new RegExp(pattern, "u");
    patterns.set(pattern, known);
    return known.test(text);
  },
});

/**
 * Validates a message against the limits in the contract.
 *
 * @throws FIELD_INVALID naming every field that breaks a limit, or only the first list or map that
 * is too long
 */
export function validate<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): void {
  const violations = violationsOf(schema, message);
  if (violations.length > 0) throw invalidFields(violations);
}

/** Every field of a message that breaks a limit in the contract, or the first that is too long. */
export function violationsOf<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): readonly Violation[] {
  const excess = excessIn(schema, message);
  if (excess !== undefined) return [excess];
  const result = validator.validate(schema, message);
  if (result.kind === "error") throw result.error;
  if (result.kind === "valid") return NONE;
  return result.violations.map(({ field, message: description }) => ({
    field: pathToString(field),
    description,
  }));
}

const NONE: readonly Violation[] = [];
