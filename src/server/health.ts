import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";

/** The serving state of the process, and the service that shows it. */
export type HealthState = {
  setServing(serving: boolean): void;
  isServing(): boolean;
  /** Registers grpc.health.v1.Health. */
  routes(router: ConnectRouter): void;
  /** Ends every open Watch with OK after its last state; a later Watch gets the state and ends. */
  close(): void;
};

/**
 * gRPC health checking: one serving state for the whole process, which starts as NOT_SERVING. It
 * has every name in `serviceNames`, the health service's own and "" (the server as a whole).
 *
 * Check of an unknown name fails with NOT_FOUND; Watch of one answers SERVICE_UNKNOWN and stays
 * open. A Watch whose call is cancelled or late ends with that reason.
 */
export function createHealth(serviceNames: readonly string[]): HealthState {
  const names = new Set(["", Health.typeName, ...serviceNames]);
  // Holds a waker for each Watch that waits. A Watch with a slow reader is not in here: it reads
  // the latest state when its reader takes the next message.
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
    let sent: Status | undefined;
    for (;;) {
      signal.throwIfAborted();
      const status = known ? current() : Status.SERVICE_UNKNOWN;
      if (status !== sent) {
        sent = status;
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
