import { Code } from "@connectrpc/connect";
import { apiError } from "../errors/api-error.ts";
import { type Refusal, refuseWith } from "./http-refusal.ts";

/** Answers a call to an RPC that there is not, with the same kind of error as every other. */
export const unknownRpc: Refusal = (request, response) => {
  const message = "there is no such RPC";
  const error = apiError({ code: Code.Unimplemented, reason: "UNIMPLEMENTED", message });
  refuseWith(error, 404, request, response);
};
