import { Title } from "@mantine/core";

export function StatementScreen() {
  return <Title order={1}>Statement</Title>;
}
