import { Title } from "@mantine/core";

export function FindScreen() {
  return <Title order={1}>Find</Title>;
}
