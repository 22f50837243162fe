import { Code } from "@connectrpc/connect";
import { apiError } from "../errors/api-error.ts";
import { type Fallback, refuseWithError } from "./http-refusal.ts";

/** Answers a call of an RPC that does not exist, with an error of this API. */
export const unknownRpc: Fallback = (_request, response) => {
  const message = "there is no such RPC";
  const error = apiError({ code: Code.Unimplemented, reason: "UNIMPLEMENTED", message });
  refuseWithError(response, 404, error);
};
