import {
  create,
  createFileRegistry,
  type DescMessage,
  fromJson,
  getOption,
  type JsonValue,
  type MessageInitShape,
  setExtension,
} from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import {
  field as fieldRules,
  FieldRulesSchema,
  file_buf_validate_validate,
  Ignore,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { describe, expect, test } from "vitest";
import { EntryKind, EntryKindSchema } from "../../gen/points/v1/account_pb.ts";
import { StreamEntriesRequestSchema } from "../../gen/points/v1/ledger_pb.ts";
import {
  ListEntriesRequestSchema,
  PointsService,
  RechargeRequestSchema,
} from "../../gen/points/v1/points_pb.ts";
import { excessIn } from "../../src/rpc/counts.ts";
import { validate } from "../../src/rpc/validate.ts";
import { readRefusal } from "../support/error-info.ts";

describe("a list or a map that is too long is refused before its items are validated", () => {
  test("a list of 1,000,000: no item is read", () => {
    const { items, looks } = watched(Array<EntryKind>(1_000_000).fill(99 as EntryKind));
    const request = create(ListEntriesRequestSchema, { userId: "ada" });
    request.kinds = items;
    expect(refusalOfValidation(ListEntriesRequestSchema, request)).toMatchObject({
      reason: "FIELD_INVALID",
      fields: ["kinds"],
      outcome: "NOT_APPLIED",
    });
    expect(looks()).toBe(0);
  });

  test("a map of 60,000 pairs: no value is read", () => {
    const pairs = Array.from({ length: 60_000 }, (_, n): [string, string] => [`k${n}\n`, "\n"]);
    const { items, looks } = watched(Object.fromEntries(pairs));
    const request = create(RechargeRequestSchema, { userId: "ada", points: 5n });
    request.metadata = items;
    expect(refusalOfValidation(RechargeRequestSchema, request)).toMatchObject({
      reason: "FIELD_INVALID",
      fields: ["metadata"],
    });
    expect(looks()).toBe(0);
  });

  test("and no other field is named", () => {
    const request = create(ListEntriesRequestSchema, {
      userId: " ",
      kinds: Array<EntryKind>(12).fill(EntryKind.CONSUME),
    });
    expect(refusalOfValidation(ListEntriesRequestSchema, request).fields).toEqual(["kinds"]);
  });
});

test("entries of all kinds may be listed, or followed, at once", () => {
  const kinds = EntryKindSchema.values.slice(1).map(({ number }) => number as EntryKind);
  const listed = create(ListEntriesRequestSchema, { userId: "ada", kinds });
  expect(() => validate(ListEntriesRequestSchema, listed)).not.toThrow();
  const followed = create(StreamEntriesRequestSchema, { kinds });
  expect(() => validate(StreamEntriesRequestSchema, followed)).not.toThrow();
});

test("a list and a map at their limits are validated item by item", () => {
  const kinds = [...Array<EntryKind>(6).fill(EntryKind.CONSUME), 99 as EntryKind];
  const request = create(ListEntriesRequestSchema, { userId: "ada", kinds });
  expect(refusalOfValidation(ListEntriesRequestSchema, request).fields).toEqual(["kinds[6]"]);
});

describe("a list or a map in a message", () => {
  const schema = nodeSchema();
  const excessOf = (content: JsonValue) => excessIn(schema, fromJson(schema, content))?.field;

  test.each<[string, JsonValue, string]>([
    ["in a message", { one: { list: [1, 2, 3] } }, "one.list"],
    ["in the member of a oneof", { chosen: { list: [1, 2, 3] } }, "chosen.list"],
    [
      "in the second of a list",
      { many: [{ list: [1] }, { map: { a: "", b: "", c: "" } }] },
      "many[1].map",
    ],
    [
      "in a value of a map",
      { named: { a: { list: [1] }, b: { list: [1, 2, 3] } } },
      'named["b"].list',
    ],
    [
      "in a message in a message",
      { one: { deeper: { many: [{ list: [1, 2, 3] }] } } },
      "one.deeper.many[0].list",
    ],
  ])("%s is counted", (_, content, field) => {
    expect(excessOf(content)).toBe(field);
  });

  test.each<[string, JsonValue]>([
    ["at its limit", { one: { list: [1, 2], map: { a: "", b: "" } } }],
    ["with rules ignored for its items", { unchecked: [{ list: [1, 2, 3] }] }],
    ["without a bound", { free: [1, 2, 3, 4, 5] }],
  ])("%s is let through", (_, content) => {
    expect(excessOf(content)).toBeUndefined();
  });
});

test("every list and map that a request may hold has a bound in the contract", () => {
  const unbounded = new Set<string>();
  const seen = new Set<DescMessage>();
  const look = (schema: DescMessage) => {
    if (seen.has(schema)) return;
    seen.add(schema);
    for (const field of schema.fields) {
      const { type } = getOption(field, fieldRules);
      const isBounded =
        (type.case === "repeated" && type.value.maxItems > 0n) ||
        (type.case === "map" && type.value.maxPairs > 0n);
      const isMany = field.fieldKind === "list" || field.fieldKind === "map";
      if (isMany && !isBounded) unbounded.add(`${schema.typeName}.${field.name}`);
      if (field.message !== undefined) look(field.message);
    }
  };
  PointsService.methods.forEach(({ input }) => look(input));
  expect([...unbounded]).toEqual([]);
});

function refusalOfValidation(schema: DescMessage, message: Parameters<typeof validate>[1]) {
  try {
    validate(schema, message);
  } catch (thrown) {
    return readRefusal(thrown);
  }
  throw new Error("the message was found valid");
}

/** The same list or map, counting how often its items are read. */
function watched<T extends object>(items: T): { items: T; looks: () => number } {
  let looks = 0;
  const proxy = new Proxy(items, {
    get(target, name, receiver): unknown {
      if (name !== "length" && Object.hasOwn(target, name)) looks += 1;
      return Reflect.get(target, name, receiver);
    },
  });
  return { items: proxy, looks: () => looks };
}

/** The schema of a message with lists and maps of numbers, texts and itself. */
function nodeSchema(): DescMessage {
  type Rules = MessageInitShape<typeof FieldRulesSchema>["type"];
  const few: Rules = { case: "repeated", value: { maxItems: 2n } };
  const fewPairs: Rules = { case: "map", value: { maxPairs: 2n } };
  const unchecked: Rules = { case: "repeated", value: { items: { ignore: Ignore.ALWAYS } } };
  const names = ["one", "deeper", "many", "unchecked", "list", "free", "map", "named", "chosen"];

  const fieldOf = (name: string, typeName: string | undefined, isMany: boolean, rules?: Rules) => {
    const options = create(FieldOptionsSchema);
    if (rules !== undefined) {
      setExtension(options, fieldRules, create(FieldRulesSchema, { type: rules }));
    }
    return create(FieldDescriptorProtoSchema, {
      name,
      number: names.indexOf(name) + 1,
      label: isMany ? Label.REPEATED : Label.OPTIONAL,
      options,
      ...(typeName === undefined ? { type: Type.INT32 } : { type: Type.MESSAGE, typeName }),
      ...(name === "chosen" ? { oneofIndex: 0 } : {}),
    });
  };
  const entryOf = (name: string, value: MessageInitShape<typeof FieldDescriptorProtoSchema>) =>
    create(DescriptorProtoSchema, {
      name,
      options: { mapEntry: true },
      field: [
        { name: "key", number: 1, label: Label.OPTIONAL, type: Type.STRING },
        { name: "value", number: 2, label: Label.OPTIONAL, ...value },
      ],
    });
  const node = create(DescriptorProtoSchema, {
    name: "Node",
    oneofDecl: [{ name: "choice" }],
    nestedType: [
      entryOf("MapEntry", { type: Type.STRING }),
      entryOf("NamedEntry", { type: Type.MESSAGE, typeName: ".Node" }),
    ],
    field: [
      fieldOf("one", ".Node", false),
      fieldOf("deeper", ".Node", false),
      fieldOf("chosen", ".Node", false),
      fieldOf("many", ".Node", true, few),
      fieldOf("unchecked", ".Node", true, unchecked),
      fieldOf("list", undefined, true, few),
      fieldOf("free", undefined, true),
      fieldOf("map", ".Node.MapEntry", true, fewPairs),
      fieldOf("named", ".Node.NamedEntry", true, fewPairs),
    ],
  });
  const file = create(FileDescriptorProtoSchema, {
    name: "node.proto",
    syntax: "proto3",
    dependency: [file_buf_validate_validate.proto.name],
    messageType: [node],
  });
  return createFileRegistry(file, () => file_buf_validate_validate).getMessage("Node")!;
}
