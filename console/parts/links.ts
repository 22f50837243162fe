import { Anchor, Button, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import { type ComponentPropsWithRef, createElement } from "react";

/** A link to a screen of the console, as text or as a button. */
export const TextLink = createLink(Anchor<"a">);
export const ButtonLink = createLink(LinkLikeButton);

type Props = ButtonProps & Omit<ComponentPropsWithRef<"a">, keyof ButtonProps>;

/** Mantine's button is a `<button>` if nobody says otherwise. */
function LinkLikeButton(props: Props) {
  return createElement(Button<"a">, { component: "a", ...props });
}
