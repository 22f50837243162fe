import type { DescMethod } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  createServiceImplSpec,
  type MethodImplSpec,
} from "@connectrpc/connect";

/** Registers services with a router. */
export type Routes = (router: ConnectRouter) => void;

export type MethodOptions = NonNullable<Parameters<ConnectRouter["rpc"]>[2]>;

/** Routes that give Connect options for each method: by itself it has the same for all. */
export function routesWithOptions(
  routes: Routes,
  optionsOf: (method: DescMethod) => MethodOptions,
): Routes {
  return (router) => {
    for (const { method, impl } of methodsOf(routes)) {
      router.rpc(method, impl as never, optionsOf(method));
    }
  };
}

/** The methods of the services that routes register, each with its implementation. */
export function methodsOf(routes: Routes): readonly MethodImplSpec[] {
  const found: MethodImplSpec[] = [];
  const router: ConnectRouter = {
    handlers: [],
    service(service, implementation) {
      found.push(...Object.values(createServiceImplSpec(service, implementation).methods));
      return router;
    },
    rpc() {
      throw new Error("routes are given by the service");
    },
  };
  routes(router);
  return found;
}
