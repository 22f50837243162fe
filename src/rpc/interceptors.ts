import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { ConnectError, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import type { Logger } from "pino";
import { completeTransportError, invalidFields, thrownError } from "./errors.ts";

/** Refuses a request that breaks a limit of the contract, naming every such field. */
export function validation(): Interceptor {
  const validator = createValidator();
  return (next) => async (request) => {
    if (request.stream) return next(request);
    const result = validator.validate(request.method.input, request.message);
    if (result.kind === "error") throw result.error;
    if (result.kind === "invalid") {
      throw invalidFields(
        result.violations.map(({ field, message }) => ({
          field: pathToString(field),
          description: message,
        })),
      );
    }
    return next(request);
  };
}

/** Gives everything that is thrown the form of an error of this API, and logs what is our fault. */
export function errorTranslation(log: Logger): Interceptor {
  return (next) => async (request) => {
    try {
      return await next(request);
    } catch (thrown) {
      throw thrownError(thrown, (errorId, bug) => {
        log.error({ errorId, method: request.method.name, err: bug }, "a call failed");
      });
    }
  };
}

/**
 * Completes errors that Connect raises before the interceptors run, such as a message that it
 * cannot parse. In every protocol it aborts the call's context with the error just before it sends
 * it, and that is the only place where such an error can be seen.
 */
export function completeErrors({ signal }: HandlerContext): void {
  signal.addEventListener(
    "abort",
    () => {
      if (signal.reason instanceof ConnectError) completeTransportError(signal.reason);
    },
    { once: true },
  );
}
