import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { invalidFields } from "./errors.ts";

const validator = createValidator();

/**
 * Checks a message against the limits in the contract.
 *
 * @throws FIELD_INVALID, naming every field that breaks one
 */
export function validate<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): void {
  const result = validator.validate(schema, message);
  if (result.kind === "error") throw result.error;
  if (result.kind === "valid") return;
  const violations = result.violations.map(({ field, message: description }) => ({
    field: pathToString(field),
    description,
  }));
  throw invalidFields(violations);
}
