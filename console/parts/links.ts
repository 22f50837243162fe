import { Anchor, Button } from "@mantine/core";
import { createLink } from "@tanstack/react-router";

/** A link to a screen of the console, as text or as a button. */
export const TextLink = createLink(Anchor<"a">);
export const ButtonLink = createLink(Button<"a">);
