import type { ConnectError } from "@connectrpc/connect";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as ReflectionV1 } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { type Caller, type Scope, SCOPES } from "./caller.ts";
import { methodDenied, userDenied } from "./refusals.ts";

type PointsMethod = keyof typeof PointsService.method;

const CHANGES: readonly Scope[] = SCOPES.filter((scope) => scope !== "points.read");

/** One of these scopes is enough. */
const SCOPES_OF: Record<PointsMethod, readonly Scope[]> = {
  // What it may write is an account without points and entries, and what is due; and each change
  // answers with the account too. So nobody learns or does more by it than by what they may do.
  getOrCreate: SCOPES,
  recharge: ["points.grant"],
  consume: ["points.spend"],
  expire: ["points.revoke"],
  freeze: ["points.spend"],
  settle: ["points.spend"],
  release: ["points.spend"],
  refund: ["points.refund"],
  // Whoever charges a user may ask what it costs, and look into what became of it.
  quote: ["points.read", "points.spend"],
  getPriceList: ["points.read", "points.spend"],
  // Each operation is checked by its own scope as well.
  applyBatch: CHANGES,
  apply: CHANGES,
  getEntry: ["points.read", "points.spend"],
  listEntries: ["points.read"],
  listLots: ["points.read"],
  listHolds: ["points.read", "points.spend"],
  watchAccount: ["points.read"],
};

/** Who may call: everybody without saying who they are, every caller, or who has a scope. */
type Rule = "everybody" | "every caller" | readonly Scope[];

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...PointsService.methods.map(({ name, localName }): [string, Rule] => [
    `/${PointsService.typeName}/${name}`,
    SCOPES_OF[localName as PointsMethod],
  ]),
  // Whoever routes requests asks it, and has no token.
  [`/${Health.typeName}/Check`, "everybody"],
  [`/${Health.typeName}/List`, "every caller"],
  [`/${Health.typeName}/Watch`, "every caller"],
  [`/${ReflectionV1.typeName}/ServerReflectionInfo`, "every caller"],
  [`/${ReflectionV1Alpha.typeName}/ServerReflectionInfo`, "every caller"],
]);

/** Whether a method may be called by who does not say who they are. */
export function isForEverybody(path: string): boolean {
  return RULES.get(path) === "everybody";
}

/**
 * Why a caller may not call a method; undefined if they may. A method without a rule is denied.
 *
 * @param path of the request, as "/points.v1.PointsService/Consume"
 */
export function denialOfMethod(caller: Caller, path: string): ConnectError | undefined {
  const rule = RULES.get(path);
  if (rule === "everybody" || rule === "every caller") return undefined;
  return hasOneOf(caller, rule) ? undefined : methodDenied(caller, rule ?? []);
}

/**
 * Checks an operation of a batch or a stream, as its own RPC would be.
 *
 * @throws PERMISSION_DENIED
 */
export function requireOperation(caller: Caller, method: PointsMethod, userId: string): void {
  const scopes = SCOPES_OF[method];
  if (!hasOneOf(caller, scopes)) throw methodDenied(caller, scopes);
  requireUser(caller, userId);
}

/**
 * Checks that a caller may touch a user; an empty id touches none.
 *
 * @throws PERMISSION_DENIED
 */
export function requireUser(caller: Caller, userId: string): void {
  if (userId !== "" && !userId.startsWith(caller.userIdPrefix)) throw userDenied(caller);
}

function hasOneOf({ scopes }: Caller, needed: readonly Scope[] | undefined): boolean {
  return needed !== undefined && needed.some((scope) => scopes.includes(scope));
}
