import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import {
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescMethod,
  type DescOneof,
  type DescService,
  fromBinary,
  getOption,
  ScalarType,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { getComments } from "@bufbuild/protoplugin";
import { oneof as oneofRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

// Writes docs/api.md from the comments in proto/points. `npm run generate` runs it.

const FILES = ["points", "policies", "ledger", "account", "policy", "prices", "error_reason"];

if (import.meta.main) await writeFile("docs/api.md", await describeApi());

/** The page, from the files in proto/points. */
export async function describeApi(): Promise<string> {
  const { stdout } = await promisify(execFile)(
    "node_modules/.bin/buf",
    ["build", "proto", "--path", "proto/points", "-o", "-#format=binpb"],
    { encoding: "buffer", maxBuffer: 64 * 1024 * 1024 },
  );
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, stdout));
  const files = FILES.map((name) => registry.getFile(`points/v1/${name}.proto`)!);
  const sections = [
    "# The API",
    "Written by `npm run generate` from the comments in [`proto/points/v1`](../proto/points/v1/" +
      "points.proto): change those. [guarantees.md](guarantees.md) says what holds for all of it, " +
      "[errors.md](errors.md) what to do about each error.",
    ...files.flatMap((file) => file.services.flatMap(describeService)),
    "## Messages",
    ...files.flatMap((file) => file.messages.filter(isPlain).flatMap(describeMessage)),
    "## Enums",
    ...files.flatMap(({ enums }: DescFile) => enums.flatMap(describeEnum)),
  ];
  return `${sections.join("\n\n")}\n`;
}

function describeService(service: DescService): string[] {
  const rpcs = service.methods.flatMap((rpc) => {
    const takes = isStream(rpc, "client_streaming") ? "stream of " : "";
    const gives = isStream(rpc, "server_streaming") ? "stream of " : "";
    const shape = `Takes a ${takes}${link(rpc.input)}, answers with a ${gives}${link(rpc.output)}.`;
    return [`### ${rpc.name}`, commentOf(rpc), shape];
  });
  return [`## ${service.name}`, commentOf(service), ...rpcs];
}

function isStream({ methodKind }: DescMethod, way: DescMethod["methodKind"]): boolean {
  return methodKind === way || methodKind === "bidi_streaming";
}

function describeMessage(message: DescMessage): string[] {
  const head = [`### ${message.name}`, commentOf(message)];
  if (message.fields.length === 0) return head;
  const oneofs = message.oneofs.map((oneof) => {
    const names = oneof.fields.map(({ name }) => `\`${name}\``).join(", ");
    return `${isRequired(oneof) ? "Exactly" : "At most"} one of ${names} (\`${oneof.name}\`): ${commentOf(oneof)}`;
  });
  const rows = message.fields.map(
    (field) => `| \`${field.name}\` | ${typeOf(field)} | ${cell(commentOf(field))} |`,
  );
  return [...head, ...oneofs, ["| field | type | |", "| --- | --- | --- |", ...rows].join("\n")];
}

function isRequired(oneof: DescOneof): boolean {
  return getOption(oneof, oneofRules).required;
}

function describeEnum(one: DescEnum): string[] {
  const rows = one.values.map(
    (value) => `| \`${value.name}\` | ${value.number} | ${cell(commentOf(value))} |`,
  );
  const table = ["| value | number | |", "| --- | --- | --- |", ...rows].join("\n");
  return [`### ${one.name}`, commentOf(one), table];
}

function typeOf(field: DescField): string {
  switch (field.fieldKind) {
    case "scalar":
      return nameOf(field.scalar);
    case "enum":
      return link(field.enum);
    case "message":
      return link(field.message);
    case "list": {
      const { listKind } = field;
      if (listKind === "scalar") return `list of ${nameOf(field.scalar)}`;
      return `list of ${link(listKind === "enum" ? field.enum : field.message)}`;
    }
    case "map": {
      const { mapKind } = field;
      const value =
        mapKind === "scalar"
          ? nameOf(field.scalar)
          : link(mapKind === "enum" ? field.enum : field.message);
      return `map of ${nameOf(field.mapKey)} to ${value}`;
    }
  }
}

function nameOf(scalar: ScalarType): string {
  return ScalarType[scalar].toLowerCase();
}

/** Messages of other packages have no section here. */
function link({ name, typeName }: DescMessage | DescEnum): string {
  return typeName.startsWith("points.v1.") ? `[${name}](#${name.toLowerCase()})` : typeName;
}

/** Leaves out the messages of map entries, which exist only on the wire. */
function isPlain({ proto }: DescMessage): boolean {
  return proto.options?.mapEntry !== true;
}

function commentOf(desc: Parameters<typeof getComments>[0]): string {
  const comment = getComments(desc).leading;
  if (comment === undefined) throw new Error(`${String(desc)} has no comment`);
  return comment.replaceAll(/^ /gm, "").trim();
}

function cell(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
}
