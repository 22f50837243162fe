import "@mantine/core/styles.css";
import "./app/theme.css";
import { TransportProvider } from "@connectrpc/connect-query";
import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { createRoot } from "react-dom/client";
import { queries } from "./app/queries.ts";
import { router } from "./app/router.tsx";
import { transport } from "./app/transport.ts";

createRoot(document.getElementById("root")!).render(
  // Its variables and classes are in theme.css and styles.css: the page takes no inline style.
  <MantineProvider defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
    <TransportProvider transport={transport}>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </TransportProvider>
  </MantineProvider>,
);
