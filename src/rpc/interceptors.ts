import { type DescMethod, toBinary } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type createHandlerContext,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import type { Logger } from "pino";
import { callerKey } from "../auth/caller.ts";
import { requireUser } from "../auth/rules.ts";
import { Abandoned } from "../commit/batcher.ts";
import { isComplete, reasonOf } from "../errors/api-error.ts";
import { type HeaderValue, PREVIOUS_ATTEMPTS, speakForAttempts } from "./earlier-attempts.ts";
import { thrownError } from "./thrown-error.ts";
import { answerTooLarge, completeTransportError } from "./transport-error.ts";
import { validate } from "./validate.ts";

/** Validates unary requests against the contract's limits. Streams validate their own messages. */
export function validation(): Interceptor {
  return (next) => (request) => {
    if (!request.stream) validate(request.method.input, request.message);
    return next(request);
  };
}

/** Refuses unary requests about a user whom the caller may not touch. Streams check their own. */
export function authorization(): Interceptor {
  return (next) => (request) => {
    const { message } = request;
    if (!request.stream && "userId" in message) {
      requireUser(request.contextValues.get(callerKey), String(message.userId));
    }
    return next(request);
  };
}

/**
 * Refuses to send a unary answer that is too large, with Connect's own error. Connect itself checks
 * the size too late, when it no longer reports errors to `completeErrors`.
 */
export function answerLimit(maxBytes: number): Interceptor {
  return (next) => async (request) => {
    const answer = await next(request);
    if (answer.stream) return answer;
    const { length } = toBinary(answer.method.output, answer.message);
    if (length > maxBytes) throw answerTooLarge(length, maxBytes);
    return answer;
  };
}

/** Turns everything that is thrown into an error of this API. */
export function errorTranslation(toError: ErrorTranslator): Interceptor {
  return (next) => async (request) => {
    try {
      return await next(request);
    } catch (thrown) {
      if (isCut(thrown)) throw toError(new Abandoned(true, thrown));
      if (isOfSignal(thrown, request.signal)) {
        throw toError(new Abandoned(true, request.signal.reason));
      }
      throw toError(thrown);
    }
  };
}

/**
 * Whether a wait ended since the call is late or was given up: a read's, for a batch tells by itself
 * what became of its commands.
 */
function isOfSignal(thrown: unknown, signal: AbortSignal): boolean {
  const isWait = thrown instanceof Error && thrown.name === "AbortError";
  return signal.aborted && (isWait || thrown === signal.reason);
}

/** Whether the caller went away within the request, which server streams read after they begin. */
function isCut(thrown: unknown): boolean {
  const { code } = thrown as { readonly code?: unknown };
  return code === "ERR_STREAM_PREMATURE_CLOSE";
}

/** Turns anything that was thrown into an error of this API. */
export type ErrorTranslator = (thrown: unknown) => ConnectError;

/** Makes a translator that logs bugs, and reports the reason of each error. */
export function errorTranslator(log: Logger, refused: Refused): ErrorTranslator {
  return (thrown) => {
    const error = thrownError(thrown, (errorId, bug) => {
      log.error({ errorId, err: bug }, "a call failed");
    });
    if (isComplete(error)) refused(reasonOf(error));
    return error;
  };
}

type Refused = (reason: string) => void;

/**
 * Completes an error just before it is sent, and reports its reason if no interceptor saw it.
 *
 * @param previousAttempts the value of {@link PREVIOUS_ATTEMPTS}
 */
export type ErrorCompleter = (
  error: ConnectError,
  method: DescMethod,
  previousAttempts: HeaderValue,
) => void;

/** Makes one. A late or cancelled call is reported when its handler ends, not here. */
export function errorCompleter(refused: Refused): ErrorCompleter {
  return (error, method, previousAttempts) => {
    if (!isComplete(error)) {
      completeTransportError(error);
      const isOfCaller = error.code === Code.DeadlineExceeded || error.code === Code.Canceled;
      if (isComplete(error) && !isOfCaller) refused(reasonOf(error));
    }
    speakForAttempts(error, method, previousAttempts);
  };
}

/**
 * Completes errors that Connect raises before the interceptors run, such as a message that it
 * cannot parse. Connect aborts the call's context with the error just before it sends it, in every
 * protocol, and such errors can be caught nowhere else. The context's signal is not enough: it
 * misses an error that comes after the deadline, or after the caller's half of a stream broke.
 */
export function completeErrors(context: HandlerContext, complete: ErrorCompleter): void {
  const call = context as ReturnType<typeof createHandlerContext>;
  const abort = call.abort.bind(call);
  call.abort = (reason) => {
    if (reason instanceof ConnectError) {
      complete(reason, context.method, context.requestHeader.get(PREVIOUS_ATTEMPTS));
    }
    abort(reason);
  };
}
