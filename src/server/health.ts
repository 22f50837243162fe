import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";

/**
 * One serving state for the whole process, told through grpc.health.v1.Health under every name
 * in `serviceNames`, the health service's own and "" (the server as a whole).
 *
 * The state starts as NOT_SERVING and changes with `setServing`. `routes` registers the service.
 * `close` ends every open Watch with OK, after it was told the last state; later Watches get the
 * state and end. Check of an unknown name fails with NOT_FOUND; Watch of one answers
 * SERVICE_UNKNOWN and stays open. A Watch whose call is cancelled or late ends with that reason.
 */
export function createHealth(serviceNames: readonly string[]): {
  setServing(serving: boolean): void;
  isServing(): boolean;
  routes(router: ConnectRouter): void;
  close(): void;
} {
  const names = new Set(["", Health.typeName, ...serviceNames]);
  // Holds a waker only for a Watch that waits: one whose reader is slow is not in here, and reads
  // the latest state when it comes back.
  const waiting = new Set<() => void>();
  let serving = false;
  let closed = false;

  const current = () => (serving ? Status.SERVING : Status.NOT_SERVING);
  const wakeAll = () => [...waiting].forEach((wake) => wake());
  const changed = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const wake = () => {
        waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      waiting.add(wake);
      signal.addEventListener("abort", wake);
    });

  async function* watch(service: string, signal: AbortSignal) {
    const known = names.has(service);
    let told: Status | undefined;
    for (;;) {
      signal.throwIfAborted();
      const status = known ? current() : Status.SERVICE_UNKNOWN;
      if (status !== told) {
        told = status;
        yield { status };
      } else if (closed) {
        return;
      } else {
        await changed(signal);
      }
    }
  }

  return {
    setServing(next) {
      if (next === serving) return;
      serving = next;
      wakeAll();
    },
    isServing: () => serving,
    routes(router) {
      router.service(Health, {
        check({ service }) {
          if (names.has(service)) return { status: current() };
          throw new ConnectError(`unknown service "${service}"`, Code.NotFound);
        },
        list: () => ({
          statuses: Object.fromEntries([...names].map((name) => [name, { status: current() }])),
        }),
        watch: ({ service }, { signal }) => watch(service, signal),
      });
    },
    close() {
      closed = true;
      wakeAll();
    },
  };
}
