import type { ConnectError } from "@connectrpc/connect";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as ReflectionV1 } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { type Caller, type Scope, SCOPES } from "./caller.ts";
import { methodDenied, userDenied } from "./refusals.ts";

type Method =
  | keyof typeof PointsService.method
  | keyof typeof PolicyService.method
  | Exclude<keyof typeof LedgerService.method, "getLedger">;

const ACCOUNT_SCOPES: readonly Scope[] = SCOPES.filter((scope) => scope !== "points.audit");
const MUTATING_SCOPES = ACCOUNT_SCOPES.filter((scope) => scope !== "points.read");

/** Who may call what: a caller needs one of the scopes beside a method. */
const WHO_MAY_CALL: Record<Method, readonly Scope[]> = {
  // It writes at most an account without points and entries, and what is due. Each mutation answers
  // with the account too. So no caller learns or does more by it than their scope allows anyway.
  getOrCreate: ACCOUNT_SCOPES,
  getAccount: ["points.read", "points.spend"],
  recharge: ["points.grant"],
  consume: ["points.spend"],
  expire: ["points.revoke"],
  revoke: ["points.revoke"],
  freeze: ["points.spend"],
  extendHold: ["points.spend"],
  settle: ["points.spend"],
  release: ["points.spend"],
  refund: ["points.refund"],
  // A caller that charges users may ask for the cost first, and for the result afterwards.
  quote: ["points.read", "points.spend"],
  getPriceList: ["points.read", "points.spend"],
  // Each operation needs its own scope as well: see requireOperation.
  applyBatch: MUTATING_SCOPES,
  apply: MUTATING_SCOPES,
  getEntry: ["points.read", "points.spend"],
  listEntries: ["points.read"],
  listLots: ["points.read"],
  listHolds: ["points.read", "points.spend"],
  getForecast: ["points.read", "points.spend"],
  watchAccount: ["points.read"],
  putPolicy: ["points.policy"],
  deletePolicy: ["points.policy"],
  listPolicies: ["points.policy", "points.read", "points.spend"],
  streamEntries: ["points.audit"],
  listAccounts: ["points.audit"],
  searchEntries: ["points.audit"],
  summarize: ["points.audit"],
  listExpiring: ["points.audit"],
  getOverview: ["points.audit"],
};

/** Everybody, without credentials; every known caller; or callers with one of these scopes. */
type Rule = "everybody" | "every caller" | readonly Scope[];

/** By path. A method that is not in it is denied. */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...[PointsService, PolicyService, LedgerService].flatMap(({ typeName, methods }) =>
    methods.map(({ name, localName }): [string, Rule] => [
      `/${typeName}/${name}`,
      WHO_MAY_CALL[localName as Method],
    ]),
  ),
  // Whoever is refused elsewhere finds out here who they are, also without any scope.
  [`/${LedgerService.typeName}/${LedgerService.method.getLedger.name}`, "every caller"],
  // Load balancers check health, and have no token.
  [`/${Health.typeName}/Check`, "everybody"],
  [`/${Health.typeName}/List`, "every caller"],
  [`/${Health.typeName}/Watch`, "every caller"],
  [`/${ReflectionV1.typeName}/ServerReflectionInfo`, "every caller"],
  [`/${ReflectionV1Alpha.typeName}/ServerReflectionInfo`, "every caller"],
]);

/** Whether a method may be called without credentials. */
export function isForEverybody(path: string): boolean {
  return RULES.get(path) === "everybody";
}

/**
 * Why a caller may not call a method; undefined if they may.
 *
 * @param path of the request, as "/points.v1.PointsService/Consume"
 */
export function denialOfMethod(caller: Caller, path: string): ConnectError | undefined {
  const rule = RULES.get(path);
  if (rule === "everybody" || rule === "every caller") return undefined;
  return hasOneOf(caller, rule) ? undefined : methodDenied(caller, rule ?? []);
}

/**
 * Checks an operation of a batch or a stream by the rule of its own RPC.
 *
 * @throws PERMISSION_DENIED
 */
export function requireOperation(caller: Caller, method: Method, userId: string): void {
  const scopes = WHO_MAY_CALL[method];
  if (!hasOneOf(caller, scopes)) throw methodDenied(caller, scopes);
  requireUser(caller, userId);
}

/**
 * Checks that a caller may touch a user. An empty id is no user, and passes.
 *
 * @throws PERMISSION_DENIED
 */
export function requireUser(caller: Caller, userId: string): void {
  if (userId !== "" && !userId.startsWith(caller.userIdPrefix)) throw userDenied(caller);
}

/**
 * Checks that a caller may see all users whose ids begin with a prefix.
 *
 * @throws PERMISSION_DENIED
 */
export function requirePrefix(caller: Caller, userIdPrefix: string): void {
  if (!userIdPrefix.startsWith(caller.userIdPrefix)) throw userDenied(caller);
}

/**
 * The prefix of the users that a caller asks for: by default all that the caller may see.
 *
 * @throws PERMISSION_DENIED
 */
export function prefixFor(caller: Caller, userIdPrefix: string): string {
  const prefix = userIdPrefix || caller.userIdPrefix;
  requirePrefix(caller, prefix);
  return prefix;
}

function hasOneOf({ scopes }: Caller, needed: readonly Scope[] | undefined): boolean {
  return needed !== undefined && needed.some((scope) => scopes.includes(scope));
}
