import * as oauth from "oauth4webapi";
import type { Renewal } from "../app/credentials.ts";
import type { OpenId } from "../app/settings.ts";
import { HAND_OVER, type HandedOver, TAKEN } from "./hand-over.ts";
import { personOf } from "./person.ts";

/** What the issuer has given. */
export type Grant = {
  readonly token: string;
  readonly person: string | undefined;
  readonly renewal: Renewal | undefined;
};

/**
 * Signs in at the issuer in a window of its own, by OpenID Connect: the authorization code flow with
 * PKCE (RFC 7636). This page stays as it is. Verifier, state and tokens are in its memory alone.
 *
 * There is no nonce: PKCE binds the code to this page as well, and some issuers write a nonce into
 * access tokens too, which the server would take for ID tokens.
 *
 * @param signal gives it up: it throws, whatever the window does
 */
export async function signInAtIssuer(
  openId: OpenId,
  popup: Window,
  signal: AbortSignal,
): Promise<Grant> {
  const issuer = new URL(openId.issuer);
  const options = optionsFor(issuer);
  const discovered = await oauth.discoveryRequest(issuer, { ...options, signal });
  const server = await oauth.processDiscoveryResponse(issuer, discovered);
  expectReachable(server, issuer);
  const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()];
  const address = await addressAt(server, openId, { verifier, state });
  // From here to the end of the wait nothing may throw: a channel would stay open.
  const returned = handedOver(state, signal);
  popup.location.replace(address);
  const client = { client_id: openId.clientId };
  const query = oauth.validateAuthResponse(server, client, await returned, state);
  const asked = [server, client, oauth.None(), query, REDIRECT, verifier] as const;
  const answer = await oauth.authorizationCodeGrantRequest(...asked, { ...options, signal });
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer);
  signal.throwIfAborted();
  const person = personOf(oauth.getValidatedIdTokenClaims(tokens) ?? {});
  return { token: tokens.access_token, person, renewal: renewalOf(tokens, server, openId) };
}

const REDIRECT = `${location.origin}/console/signed-in`;
const RENEW_BEFORE_MS = 60_000;
/** The longest wait for an issuer, for which all calls wait. */
const RENEW_MS = 10_000;

/** The server names an issuer without TLS only if it is on this machine. */
function optionsFor({ protocol }: URL) {
  return { [oauth.allowInsecureRequests]: protocol === "http:" };
}

/** The page's Content-Security-Policy lets it call the issuer's own origin, and no other. */
function expectReachable(
  { token_endpoint: endpoint = "" }: oauth.AuthorizationServer,
  issuer: URL,
) {
  const origin = URL.parse(endpoint)?.origin;
  if (origin !== issuer.origin) throw new ElsewhereError(origin ?? endpoint);
}

async function addressAt(
  { authorization_endpoint: endpoint }: oauth.AuthorizationServer,
  { clientId, scopes, audience }: OpenId,
  { verifier, state }: { readonly verifier: string; readonly state: string },
): Promise<string> {
  const address = new URL(endpoint!);
  if (address.protocol !== "https:" && address.protocol !== "http:")
    throw new ElsewhereError(address.href);
  const asked = {
    client_id: clientId,
    redirect_uri: REDIRECT,
    response_type: "code",
    scope: scopes,
    // Auth0 wants it, and others do not look at it.
    audience,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
  return address.href;
}

/** What the window was sent back with; other pages of the console may sign in at the same time. */
function handedOver(state: string, signal: AbortSignal): Promise<URLSearchParams> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const channel = new BroadcastChannel(HAND_OVER);
    const end = () => channel.close();
    channel.addEventListener("message", ({ data }: MessageEvent<HandedOver | typeof TAKEN>) => {
      if (data === TAKEN) return;
      const query = new URLSearchParams(data.query);
      if (query.get("state") !== state) return;
      channel.postMessage(TAKEN);
      end();
      resolve(query);
    });
    signal.addEventListener("abort", () => {
      end();
      reject(signal.reason as Error);
    });
  });
}

/** By a refresh token, if there is one. The issuer may replace it each time. */
function renewalOf(
  { refresh_token: refreshToken, expires_in: seconds }: oauth.TokenEndpointResponse,
  server: oauth.AuthorizationServer,
  openId: OpenId,
): Renewal | undefined {
  if (refreshToken === undefined || seconds === undefined) return undefined;
  const lifeMs = seconds * 1_000;
  const renew = async () => {
    const client = { client_id: openId.clientId };
    const options = optionsFor(new URL(openId.issuer));
    const signal = AbortSignal.timeout(RENEW_MS);
    const asked = [server, client, oauth.None(), refreshToken, { ...options, signal }] as const;
    const answer = await oauth.refreshTokenGrantRequest(...asked);
    const tokens = await oauth
      .processRefreshTokenResponse(server, client, answer)
      .catch(undefinedIfRefused);
    if (tokens === undefined) return undefined;
    const next = { ...tokens, refresh_token: tokens.refresh_token ?? refreshToken };
    return { token: tokens.access_token, renewal: renewalOf(next, server, openId) };
  };
  return { dueMs: Date.now() + Math.max(lifeMs - RENEW_BEFORE_MS, lifeMs / 2), renew };
}

/** Whether the issuer gives no token any more; anything else may pass. */
function undefinedIfRefused(error: unknown): undefined {
  if (error instanceof oauth.ResponseBodyError) return undefined;
  if (error instanceof oauth.WWWAuthenticateChallengeError) return undefined;
  throw error;
}

/** Why signing in at the issuer did not work: a key of the screen's words, and the values in them. */
export type OpenIdFault = {
  readonly key: "issuerRefused" | "issuerAway" | "issuerElsewhere" | "issuerFailed";
  readonly values: Readonly<Record<"what", string>>;
};

/** The issuer wants the page to call what it may not call. */
class ElsewhereError extends Error {}

/** @param error that signing in threw */
export function faultOf(error: unknown): OpenIdFault {
  if (error instanceof ElsewhereError) return fault("issuerElsewhere", error.message);
  if (error instanceof oauth.AuthorizationResponseError) {
    return fault("issuerRefused", error.error_description ?? error.error);
  }
  if (error instanceof oauth.ResponseBodyError) {
    return fault("issuerRefused", error.error_description ?? error.error);
  }
  // What fetch throws, and no more than that: the browser keeps from the page why.
  if (error instanceof TypeError) return fault("issuerAway", error.message);
  return fault("issuerFailed", error instanceof Error ? error.message : String(error));
}

function fault(key: OpenIdFault["key"], what: string): OpenIdFault {
  return { key, values: { what } };
}
