import { createRegistry } from "@bufbuild/protobuf";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import type { Logger } from "pino";
import { file_google_rpc_code } from "../../gen/google/rpc/code_pb.ts";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection as ReflectionV1 } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { file_points_v1_error_reason } from "../../gen/points/v1/error_reason_pb.ts";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { callerKey } from "../auth/caller.ts";
import {
  authorization,
  errorCompleter,
  errorTranslation,
  validation,
} from "../rpc/interceptors.ts";
import { ledgerService } from "../rpc/ledger.ts";
import type { LedgerBackend } from "../rpc/ledger-backend.ts";
import { type Backend, pointsService } from "../rpc/points.ts";
import { policyService } from "../rpc/policies.ts";
import { strictJsonOptions } from "../rpc/strict-json.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { codeName, rpcObservation, type RpcObserver } from "../telemetry/rpc-observer.ts";
import type { RpcOptions } from "../transport/connect-handler.ts";
import { requestLimit } from "../transport/request-limit.ts";
import type { HealthState } from "./health.ts";
import type { GroupCommitOptions } from "./observed-group-commit.ts";
import { reflectionRoutes } from "./reflection.ts";

export type ApiParts = GroupCommitOptions & {
  readonly backend: Backend & LedgerBackend;
  readonly health: HealthState;
  readonly metrics: Metrics;
};

/**
 * The server's API: PointsService, PolicyService, LedgerService, Health and reflection, with
 * interceptors from outer to inner.
 */
export function pointsApi({ backend, health, metrics, ...options }: ApiParts): RpcOptions {
  const { config, log, tracing } = options;
  return {
    routes(router) {
      router.service(PointsService, pointsService(backend));
      router.service(PolicyService, policyService(backend));
      router.service(LedgerService, ledgerService(backend));
      health.routes(router);
      reflectionRoutes(
        [PointsService, PolicyService, LedgerService, Health],
        NAMED_BY_NO_SERVICE,
      )(router);
    },
    interceptors: [
      ...(tracing === undefined ? [] : [tracing.interceptor]),
      rpcObservation(rpcObserver(metrics, log)),
      errorTranslation(backend.toError),
      validation(),
      authorization(),
    ],
    acceptCompression: [compressionGzip, compressionBrotli],
    // People read the JSON, and should see a balance of 0.
    jsonOptionsOf: strictJsonOptions({ alwaysEmitImplicit: true, registry: ERROR_DETAILS }),
    requestLimit: requestLimit(config),
    writeMaxBytes: config.messageOutMaxBytes,
    completeError: errorCompleter(metrics.refused),
  };
}

/** The paths of RPCs whose callers may stream requests for as long as they like. */
export const ENDLESS_PATHS: ReadonlySet<string> = new Set(
  [PointsService, ReflectionV1, ReflectionV1Alpha].flatMap(({ typeName, methods }) =>
    methods
      .filter(({ methodKind }) => methodKind === "bidi_streaming")
      .map(({ name }) => `/${typeName}/${name}`),
  ),
);

/** The messages that google.rpc.Status may hold, for its JSON. */
const ERROR_DETAILS = createRegistry(file_google_rpc_error_details);

/** The files of errors, for reflection: no service names them in its types. */
const NAMED_BY_NO_SERVICE = [
  file_google_rpc_error_details,
  file_google_rpc_code,
  file_points_v1_error_reason,
];

/** Measures RPCs, and logs each of them at level debug. */
function rpcObserver({ called }: Metrics, log: Logger): RpcObserver {
  if (!log.isLevelEnabled("debug")) return called;
  return (rpc) => {
    called(rpc);
    const { request, code, ms } = rpc;
    const { service, method, message, contextValues } = request;
    const { requestId = "" } = message as { requestId?: string };
    const caller = contextValues.get(callerKey).name;
    const known = { ...(requestId && { requestId }), ...(caller && { caller }) };
    const name = `${service.typeName}/${method.name}`;
    log.debug({ ...known, method: name, code: codeName(code), ms }, "a call");
  };
}
