/**
 * Between the window that the issuer sends back and the page that opened it. They do not know each other
 * by their windows, for the issuer is of another origin, and may cut that bond. Whoever listens in is a
 * page of this origin, and what it hears is worth nothing without the verifier, which never leaves the
 * page that asked.
 */
export const HAND_OVER = "points-sign-in";

/** What comes back: the query that the issuer sent the window back with. */
export type HandedOver = { readonly query: string };

/** The page that asked has taken it: the window may close. */
export const TAKEN = "taken";
