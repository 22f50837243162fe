import { Title } from "@mantine/core";

export function ActScreen() {
  return <Title order={1}>Act</Title>;
}
