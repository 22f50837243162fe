import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";
import { FindScreen } from "../find/find-screen.tsx";
import { Layout } from "./layout.tsx";
import { NoScreen } from "./no-screen.tsx";
import { orOutdated, ScreenError } from "./outdated.tsx";

// What a screen shows is in the query of its address, since a user id may be a path such as "..".
// The first screen is in the first file; each other one is loaded when it is opened.

const root = createRootRoute({ component: Layout });

const find = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: ({ q }: Query): { q?: string } => given({ q }),
  component: FindScreen,
});

const account = createRoute({
  getParentRoute: () => root,
  path: "/account",
  validateSearch: ({ user = "" }: Query) => ({ user }),
  component: lazyRouteComponent(
    () => orOutdated(import("../account/account-screen.tsx")),
    "AccountScreen",
  ),
});

const statement = createRoute({
  getParentRoute: () => root,
  path: "/statement",
  validateSearch: ({ user = "", ...filters }: Query): StatementSearch => {
    const { kind, service, member, actor, from, to } = filters;
    return { user, ...given({ kind, service, member, actor, from, to }) };
  },
  component: lazyRouteComponent(
    () => orOutdated(import("../statement/statement-screen.tsx")),
    "StatementScreen",
  ),
});

/** What a statement shows. Days are as "2026-11-28", in the browser's time zone; kinds by commas. */
export type StatementSearch = { user: string } & Partial<
  Record<"kind" | "service" | "member" | "actor" | "from" | "to", string>
>;

const entry = createRoute({
  getParentRoute: () => root,
  path: "/entry",
  validateSearch: ({ user = "", sequence = "" }: Query) => ({ user, sequence }),
  component: lazyRouteComponent(
    () => orOutdated(import("../entry/entry-screen.tsx")),
    "EntryScreen",
  ),
});

const movements = createRoute({
  getParentRoute: () => root,
  path: "/movements",
  validateSearch: ({ user = "", from, to }: Query): MovementsSearch => ({
    user,
    ...given({ from, to }),
  }),
  component: lazyRouteComponent(
    () => orOutdated(import("../movements/movements-screen.tsx")),
    "MovementsScreen",
  ),
});

/** From the first of `from` to the last of `to`, days as in `StatementSearch`. */
export type MovementsSearch = { user: string; from?: string; to?: string };

const act = createRoute({
  getParentRoute: () => root,
  path: "/act",
  validateSearch: ({ user = "", of, ...query }: Query): ActSearch => ({
    user,
    act: query["act"] ?? "",
    ...given({ of }),
  }),
  component: lazyRouteComponent(() => orOutdated(import("../acts/act-screen.tsx")), "ActScreen"),
});

/** `act` is "recharge", "refund", …; `of` is the entry, lot, hold or policy that it is about. */
export type ActSearch = { user: string; act: string; of?: string };

const overview = createRoute({
  getParentRoute: () => root,
  path: "/overview",
  validateSearch: ({ days }: Query): { days?: string } => given({ days }),
  component: lazyRouteComponent(
    () => orOutdated(import("../overview/overview-screen.tsx")),
    "OverviewScreen",
  ),
});

/** A screen's address. Its values are texts, whatever they look like. */
type Query = Readonly<Record<string, string | undefined>>;

/** Without what is not set. */
function given<T extends Query>(query: T): { [K in keyof T]?: string } {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return Object.fromEntries(set) as { [K in keyof T]?: string };
}

export const router = createRouter({
  routeTree: root.addChildren([find, account, statement, entry, movements, act, overview]),
  basepath: "/console",
  defaultPreload: "intent",
  defaultErrorComponent: ScreenError,
  defaultNotFoundComponent: () => <NoScreen />,
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (query: Query) => {
    const text = new URLSearchParams(given(query) as Record<string, string>).toString();
    return text === "" ? "" : `?${text}`;
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
