import { Group } from "@mantine/core";
import { Outlet, useMatches } from "@tanstack/react-router";
import { type MouseEvent, useRef } from "react";
import { TextLink } from "../parts/links.ts";
import { Environment } from "./environment.tsx";
import styles from "./layout.module.css";
import { useWords } from "./layout-words.ts";
import { NoScreen } from "./no-screen.tsx";
import { Preferences } from "./preferences.tsx";
import { SignedIn, useSession } from "./session.tsx";
import { WhoAmI } from "./who-am-i.tsx";

/** The frame of each screen: what environment this is, who I am, and where to go. */
export function Layout() {
  const say = useWords();
  const main = useRef<HTMLElement>(null);
  const skip = (event: MouseEvent) => {
    // The address is the router's.
    event.preventDefault();
    main.current?.focus();
  };
  // Screens of one account have a user among what they show, if only an empty one.
  const user = useMatches({
    select: (matches) => (matches.at(-1)?.search as { user?: string } | undefined)?.user,
  });
  return (
    <SignedIn>
      <a href="#main" className={styles["skip"]} onClick={skip}>
        {say("skip")}
      </a>
      <Header />
      <main id="main" ref={main} tabIndex={-1} className={styles["main"]}>
        {user === "" ? <NoScreen isWithoutUser /> : <Outlet />}
      </main>
    </SignedIn>
  );
}

function Header() {
  const say = useWords();
  const { may } = useSession();
  return (
    <header>
      <Environment>
        <nav aria-label={say("screens")} className={styles["screens"]}>
          <Group gap="md" wrap="nowrap">
            <TextLink to="/">{say("find")}</TextLink>
            {may("points.audit") && <TextLink to="/overview">{say("overview")}</TextLink>}
          </Group>
        </nav>
        <div className={styles["mine"]}>
          <WhoAmI />
          <Preferences />
        </div>
      </Environment>
    </header>
  );
}
