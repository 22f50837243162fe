import { Title } from "@mantine/core";

export function MovementsScreen() {
  return <Title order={1}>Movements</Title>;
}
